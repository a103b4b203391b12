
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * JWS: the examples of the RFCs, and what a header may say, each time with a
 * signature that is right.
 */


#include "jose.h"


#define JOE                                                                   \
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLm"  \
    "NvbS9pc19yb290Ijp0cnVlfQ"

#define JOE_TEXT                                                              \
    "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n "                          \
    "\"http://example.com/is_root\":true}"


static void test_rfc7515(void);
static void test_rfc8037(void);
static void test_every_alg(void);
static void test_alg_policy(void);
static void test_confusion(void);
static void test_crit(void);
static void test_typ(void);
static void test_kid(void);
static void test_header_keys(void);
static void test_half_hash(void);
static void test_names(void);

static void example(const char *set, unsigned mask, const char *token,
    const char *payload, const char *name);


int
main(void)
{
    jose_setup();

    test_rfc7515();
    test_rfc8037();
    test_every_alg();
    test_alg_policy();
    test_confusion();
    test_crit();
    test_typ();
    test_kid();
    test_header_keys();
    test_half_hash();
    test_names();

    jose_done();

    return done_testing();
}


static void
test_rfc7515(void)
{
    oidc_str_t  key, secret;

    key = tap_str("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3"
                  "Yj0iPS4hcgUuTwjAzZr1Z9CAow");
    (void) oidc_b64url_decode(tap_pool(), &key, &secret);
    jose_policy.secret = secret;

    example(NULL, OIDC_HS256,
            "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." JOE
            ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
            JOE_TEXT, "KE-3 RFC 7515 A.1, HS256");

    jose_policy.secret = jose_hs.secret;

    example("{\"keys\":[{\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4f"
            "Akd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0B"
            "m4d4QlL"
            "-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7O"
            "Mg0LOL-"
            "bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg6"
            "65xsmtd"
            "VMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8N"
            "Aco9_h9"
            "iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\",\"e\":\"AQAB\"}]}",
            OIDC_RS256,
            "eyJhbGciOiJSUzI1NiJ9." JOE
            ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7A"
            "AuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBY"
            "NX4BAyn"
            "RFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K"
            "0GarZRm"
            "B_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1"
            "phCnvWh"
            "6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN"
            "_IoypGl"
            "UPQGe77Rw",
            JOE_TEXT, "KE-3 RFC 7515 A.2, RS256");

    example("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\","
            "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
            "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}",
            OIDC_ES256,
            "eyJhbGciOiJFUzI1NiJ9." JOE
            ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSAp"
            "mWQxfKTUJqPP3-Kg6NU1Q",
            JOE_TEXT, "KE-6 RFC 7515 A.3, ES256");

    example("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-521\","
            "\"x\":\"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_Nj"
            "FZ6OvLFV1jSfS9tsz4qUxcWceqwQGk\","
            "\"y\":\"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly7"
            "9ajL4Kkd0AZMaZmh9ubmf63e3kyMj2\"}]}",
            OIDC_ES512,
            "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA"
            ".AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqw"
            "qT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO"
            "8KpEHwJ"
            "jyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn",
            "Payload", "KE-6 RFC 7515 A.4, ES512, payload not JSON");
}


static void
test_rfc8037(void)
{
    example("{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\","
            "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}",
            OIDC_EDDSA,
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
            ".hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5Bh"
            "VsPt9g7sVvpAr_MuM0KAg",
            "Example of Ed25519 signing", "KE-3 RFC 8037 A.4, EdDSA");
}


static void
test_every_alg(void)
{
    char        header[64];
    size_t      i;
    oidc_jws_t  jws;
    oidc_str_t  token, payload;

    for (i = 0; i < JOSE_NALGS; i++) {
        snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", jose_algs[i]);

        token = jose_token(jose_algs[i], jose_key_of(jose_algs[i]), header,
                           JOSE_PAYLOAD);
        jose_policy.algs = 1 << i;

        is_rc(oidc_jws_verify(tap_pool(), &token, &jose_policy, &jws), OIDC_OK,
              jose_algs[i]);
        is_int(jws.alg, 1 << i, "V06 and says which alg it was");
        is_str(&jws.payload, JOSE_PAYLOAD, "V06 and hands out the payload");
        ok(json_object_get(jws.header, "alg") != NULL, "V06 and the header");
        json_decref(jws.header);

        is_rc(jose_verify(&token, JOSE_ALL & ~(1 << i)), OIDC_JWS_ALG,
              "V06 P1 refused where all others are allowed");

        /* another payload under the same signature */

        payload = jose_input(header, "{\"sub\":\"jim\"}");
        memcpy(token.data, payload.data, payload.len);
        is_rc(jose_verify(&token, JOSE_ALL), OIDC_JWS_SIGNATURE,
              "V06 refused with another payload");
    }
}


static void
test_alg_policy(void)
{
    size_t       i;
    static const char *const  bad[] = {
        "{\"alg\":\"none\"}", "{\"alg\":\"None\"}", "{\"alg\":\"NONE\"}",
        "{\"alg\":\"nOnE\"}", "{\"alg\":\"\"}", "{}", "{\"alg\":null}",
        "{\"alg\":1}", "{\"alg\":[\"ES256\"]}", "{\"alg\":\"es256\"}",
        "{\"alg\":\"ES256 \"}", "{\"alg\":\"ES256K\"}", "{\"alg\":\"RS1\"}",
        "{\"alg\":\"HS1\"}", "{\"alg\":\"dir\"}", "{\"ALG\":\"ES256\"}",
        "{\"alg\":\"Ed448\"}"
    };

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (jose_verify_header("ES256", bad[i]) != OIDC_JWS_ALG) {
            fail("V06 P1 refused: %s", bad[i]);
        }
    }

    pass("V06 P1 none in any case, unknown and odd algs are refused");
}


static void
test_confusion(void)
{
    BIO         *bio;
    char        *data;
    jose_key_t   public;
    oidc_str_t   token;

    /* the public key as a secret: HS256 is no alg for keys of a set */

    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PUBKEY(bio, jose_rsa.pkey);
    public.secret.len = BIO_get_mem_data(bio, &data);
    public.secret.data = (u_char *) data;

    token = jose_token("HS256", &public, "{\"alg\":\"HS256\"}", JOSE_PAYLOAD);
    is_rc(jose_verify(&token, JOSE_ALL), OIDC_JWS_SIGNATURE,
          "V06 P2 HS256 over our secret only, not over a public key");
    is_rc(jose_verify(&token, OIDC_RS256), OIDC_JWS_ALG,
          "V06 P2 and not at all unless configured");

    jose_policy.secret.len = 0;
    is_rc(jose_verify(&token, JOSE_ALL), OIDC_JWS_KEY,
          "V06 P2 HS256 without a secret has no key");
    jose_policy.secret = jose_hs.secret;

    BIO_free(bio);

    /* the header names another family or curve than the key is of */

    token = jose_token("PS256", &jose_rsa, "{\"alg\":\"RS256\"}", JOSE_PAYLOAD);
    is_rc(jose_verify(&token, JOSE_ALL), OIDC_JWS_SIGNATURE,
          "V06 a PS256 signature is none of RS256");

    token = jose_token("RS256", &jose_rsa, "{\"alg\":\"PS256\"}", JOSE_PAYLOAD);
    is_rc(jose_verify(&token, JOSE_ALL), OIDC_JWS_SIGNATURE,
          "V06 a RS256 signature is none of PS256");

    token = jose_token("RS512", &jose_rsa, "{\"alg\":\"RS256\"}", JOSE_PAYLOAD);
    is_rc(jose_verify(&token, JOSE_ALL), OIDC_JWS_SIGNATURE,
          "V06 a RS512 signature is none of RS256");

    token = jose_token("ES384", &jose_p256,
                       "{\"alg\":\"ES384\",\"kid\":\"ec\"}", JOSE_PAYLOAD);
    is_rc(jose_verify(&token, JOSE_ALL), OIDC_JWS_SIGNATURE,
          "V06 P2 ES384 by a P-256 key");

    token = jose_token("ES256", &jose_p384,
                       "{\"alg\":\"ES256\",\"kid\":\"ec\"}", JOSE_PAYLOAD);
    is_rc(jose_verify(&token, JOSE_ALL), OIDC_JWS_SIGNATURE,
          "V06 P2 ES256 by a P-384 key");

    token = jose_token("ES256", &jose_p521,
                       "{\"alg\":\"ES256\",\"kid\":\"p521\"}", JOSE_PAYLOAD);
    is_rc(jose_verify(&token, JOSE_ALL), OIDC_JWS_KEY,
          "V06 P2 ES256 by a P-521 key");

    jose_policy.jwks = NULL;
    is_rc(jose_verify(&token, JOSE_ALL), OIDC_JWS_KEY,
          "V06 ES256 without a set");
    jose_policy.jwks = jose_jwks;
}


static void
test_crit(void)
{
    size_t       i;
    static const char *const  more[] = {
        "\"crit\":[\"exp\"],\"exp\":1", "\"crit\":[]", "\"crit\":null",
        "\"crit\":\"b64\"", "\"crit\":[\"alg\"]", "\"crit\":[1]",
        "\"crit\":[\"b64\"],\"b64\":false", "\"crit\":[\"b64\"],\"b64\":true",
        "\"b64\":false", "\"b64\":true", "\"b64\":null", "\"crit\":{}"
    };
    char         header[128];

    for (i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
        snprintf(header, sizeof(header), "{\"alg\":\"ES256\",%s}", more[i]);
        is_rc(jose_verify_header("ES256", header), OIDC_JWS_CRIT, more[i]);
    }

    is_rc(jose_verify_header("ES256", "{\"alg\":\"ES256\",\"what\":{\"x\":[1]},"
                        "\"cty\":5,\"iat\":1}"),
          OIDC_OK, "V16 members that nobody knows are ignored");
}


static void
test_typ(void)
{
    char         header[128];
    size_t       i;
    static const char *const  id[] = { "JWT", NULL };
    static const char *const  logout[] = { "JWT", "logout+jwt", NULL };
    static const struct {
        const char  *typ;
        oidc_rc_t    id;
        oidc_rc_t    logout;
    } cases[] = {
        { "\"JWT\"",                    OIDC_OK,      OIDC_OK },
        { "\"jwt\"",                    OIDC_OK,      OIDC_OK },
        { "\"application/jwt\"",        OIDC_OK,      OIDC_OK },
        { "\"APPLICATION/JWT\"",        OIDC_OK,      OIDC_OK },
        { "\"logout+jwt\"",             OIDC_JWS_TYP, OIDC_OK },
        { "\"Logout+JWT\"",             OIDC_JWS_TYP, OIDC_OK },
        { "\"application/logout+jwt\"", OIDC_JWS_TYP, OIDC_OK },
        { "\"at+jwt\"",                 OIDC_JWS_TYP, OIDC_JWS_TYP },
        { "\"JWTX\"",                   OIDC_JWS_TYP, OIDC_JWS_TYP },
        { "\"JW\"",                     OIDC_JWS_TYP, OIDC_JWS_TYP },
        { "\"\"",                       OIDC_JWS_TYP, OIDC_JWS_TYP },
        { "\"application/\"",           OIDC_JWS_TYP, OIDC_JWS_TYP },
        { "\"text/jwt\"",               OIDC_JWS_TYP, OIDC_JWS_TYP },
        { "\"application/application/jwt\"", OIDC_JWS_TYP, OIDC_JWS_TYP },
        { "1",                          OIDC_JWS_TYP, OIDC_JWS_TYP },
        { "null",                       OIDC_JWS_TYP, OIDC_JWS_TYP },
        { "[\"JWT\"]",                  OIDC_JWS_TYP, OIDC_JWS_TYP }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(header, sizeof(header), "{\"alg\":\"ES256\",\"typ\":%s}",
                 cases[i].typ);

        jose_policy.typs = id;
        is_rc(jose_verify_header("ES256", header), cases[i].id, header);
        jose_policy.typs = logout;
        is_rc(jose_verify_header("ES256", header), cases[i].logout, header);
    }

    jose_policy.typs = id;
    is_rc(jose_verify_header("ES256", "{\"alg\":\"ES256\"}"), OIDC_OK,
          "KE-11 P21 typ may be absent");

    jose_policy.typs = NULL;
    is_rc(jose_verify_header("ES256", "{\"alg\":\"ES256\",\"typ\":\"at+jwt\"}"),
          OIDC_OK, "KE-11 P21 any typ where none is asked for");
}


static void
test_kid(void)
{
    char         header[1024];
    size_t       i;
    static const struct {
        const char  *kid;
        oidc_rc_t    rc;
        const char  *name;
    } cases[] = {
        { "\"ec\"",     OIDC_OK,      "V07 P5 one of two keys of this kid" },
        { "\"\"",       OIDC_OK,      "V08 an empty kid is none" },
        { "\"new\"",    OIDC_JWS_KID, "V07 an unknown kid" },
        { "\"rsa\"",    OIDC_JWS_KEY, "V07 the kid of another kind of key" },
        { "\"ec\\u0000\"", OIDC_JWS,  "V07 a NUL in the kid" },
        { "\"../../etc/passwd\"", OIDC_JWS_KID, "V07 a kid is only compared" },
        { "1",          OIDC_JWS,     "V07 kid is a number" },
        { "null",       OIDC_JWS,     "V07 kid is null" },
        { "[\"ec\"]",   OIDC_JWS,     "V07 kid is an array" }
    };
    oidc_str_t   token;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(header, sizeof(header), "{\"alg\":\"ES256\",\"kid\":%s}",
                 cases[i].kid);
        is_rc(jose_verify_header("ES256", header), cases[i].rc, cases[i].name);
    }

    snprintf(header, sizeof(header), "{\"alg\":\"ES256\",\"kid\":\"%0513d\"}",
             0);
    is_rc(jose_verify_header("ES256", header), OIDC_JWS,
          "V07 a kid too long to be worth a refresh");

    token = jose_token("ES256", &jose_enc,
                       "{\"alg\":\"ES256\",\"kid\":\"enc\"}", JOSE_PAYLOAD);
    is_rc(jose_verify(&token, JOSE_ALL), OIDC_JWS_KEY,
          "V09 P4 signed with a use=enc key");

    token = jose_token("ES256", &jose_enc, "{\"alg\":\"ES256\"}", JOSE_PAYLOAD);
    is_rc(jose_verify(&token, JOSE_ALL), OIDC_JWS_SIGNATURE,
          "V09 P4 also when it names no key");

    is_rc(jose_verify_header("EdDSA", "{\"alg\":\"EdDSA\",\"kid\":\"ed\"}"),
          OIDC_JWS_KID, "V07 a key without a kid is none of that name");
}


/* a token that brings the key that it is signed with */

static void
test_header_keys(void)
{
    char        *jwk, header[1024];
    json_t      *key;
    oidc_str_t   token;

    key = jose_jwk(jose_enc.pkey, "{}");
    jwk = json_dumps(key, JSON_COMPACT);

    snprintf(header, sizeof(header), "{\"alg\":\"ES256\",\"jwk\":%s,"
             "\"jku\":\"http://127.0.0.1:1/\",\"x5u\":\"http://127.0.0.1:1/\","
             "\"x5c\":[\"AAAA\"],\"x5t\":\"AAAA\"}", jwk);

    token = jose_token("ES256", &jose_enc, header, JOSE_PAYLOAD);
    is_rc(jose_verify(&token, JOSE_ALL), OIDC_JWS_SIGNATURE,
          "KE-11 P6 a key in the header is never used");

    is_rc(jose_verify_header("ES256", header), OIDC_OK,
          "KE-11 P6 nor does it hurt");

    free(jwk);
    json_decref(key);
}


static void
test_half_hash(void)
{
    size_t       i, len;
    u_char       out[43];
    oidc_str_t   data;
    static const struct {
        unsigned     alg;
        const char  *hash;
    } cases[] = {
        { OIDC_RS256, "xsZZrUssMXjL3FBlzoSh2g" },
        { OIDC_PS256, "xsZZrUssMXjL3FBlzoSh2g" },
        { OIDC_ES384, "adt46pcdiB-l6eTNifgoVM-5AIJAxq84" },
        { OIDC_PS512, "p2LHG4H-8pYDc0hyVOo3iIHvZJUqe9tbj3jESOuXbkY" },
        { OIDC_EDDSA, "p2LHG4H-8pYDc0hyVOo3iIHvZJUqe9tbj3jESOuXbkY" }
    };

    data = tap_str("YmJiZTAwYmYtMzgyOC00NzhkLTkyOTItNjJjNDM3MGYzOWIy"
                   "9sFhvH8K_x8UIHj1osisS57f5DduL");

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        is_rc(oidc_jws_half_hash(cases[i].alg, &data, out, &len), OIDC_OK,
              "V10 half a hash");
        is_mem(out, len, cases[i].hash, strlen(cases[i].hash), "V10 at_hash");
    }

    is_rc(oidc_jws_half_hash(0, &data, out, &len), OIDC_ARGS, "V10 of no alg");
}


static void
test_names(void)
{
    size_t      i;
    oidc_str_t  name;

    for (i = 0; i < JOSE_NALGS; i++) {
        name = tap_str(jose_algs[i]);
        is_int(oidc_jws_alg(&name), 1 << i, jose_algs[i]);
        ok(strcmp(oidc_jws_alg_name(1 << i), jose_algs[i]) == 0, "and back");
    }

    name = tap_str("none");
    is_int(oidc_jws_alg(&name), 0, "V06 none is no alg");
    name.len = 0;
    is_int(oidc_jws_alg(&name), 0, "V06 nor is nothing");
    is_int(OIDC_ALG_DEFAULT & OIDC_HS_ALL, 0, "V06 no HS* by default");
}


static void
example(const char *set, unsigned mask, const char *token,
    const char *payload, const char *name)
{
    oidc_jws_t    jws;
    oidc_str_t    text, str;
    oidc_jwks_t  *own;

    own = NULL;
    jose_policy.algs = mask;

    if (set != NULL) {
        text = tap_str(set);
        (void) oidc_jwks_parse(&text, &own);
        jose_policy.jwks = own;
    }

    str = tap_str(token);

    if (is_rc(oidc_jws_verify(tap_pool(), &str, &jose_policy, &jws), OIDC_OK,
              name))
    {
        is_str(&jws.payload, payload, name);
        json_decref(jws.header);
    }

    oidc_jwks_free(own);
    jose_policy.jwks = jose_jwks;
}
