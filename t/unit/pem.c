
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Our own keys: what PEM is taken, what for, under which name, and what of it
 * the world gets to see.
 */


#include <unistd.h>

#include <openssl/core_names.h>
#include <openssl/param_build.h>

#include "jose.h"


static void test_defaults(void);
static void test_purpose(void);
static void test_kid(void);
static void test_refused(void);
static void test_locked(void);
static void test_forms(void);
static void test_mismatch(void);
static void test_render(void);
static void test_leading_zero(void);

static oidc_rc_t from_pem(const oidc_str_t *pem, const char *use,
    const char *alg, const char *kid, oidc_key_t *key);
static oidc_str_t write_pem(EVP_PKEY *pkey, int traditional,
    const EVP_CIPHER *cipher);
static oidc_str_t pem_of(const char *kind);
static EVP_PKEY *mixed_rsa(void);


static const char  *why;


int
main(void)
{
    test_defaults();
    test_purpose();
    test_kid();
    test_refused();
    test_locked();
    test_forms();
    test_mismatch();
    test_render();
    test_leading_zero();

    is_int(ERR_peek_error(), 0, "P19 OpenSSL's error queue is empty");

    return done_testing();
}


static void
test_defaults(void)
{
    size_t       i;
    u_char       thumbprint[43];
    oidc_key_t   key;
    oidc_str_t   pem;
    static const struct {
        const char  *kind;
        const char  *use;
        oidc_use_e   got;
        const char  *alg;
    } cases[] = {
        { "RSA",     "",    OIDC_USE_ENC, "RSA-OAEP" },
        { "RSA",     "sig", OIDC_USE_SIG, "RS256" },
        { "P-256",   "",    OIDC_USE_ENC, "ECDH-ES" },
        { "P-256",   "sig", OIDC_USE_SIG, "ES256" },
        { "P-384",   "sig", OIDC_USE_SIG, "ES384" },
        { "P-521",   "sig", OIDC_USE_SIG, "ES512" },
        { "P-521",   "enc", OIDC_USE_ENC, "ECDH-ES" },
        { "Ed25519", "",    OIDC_USE_SIG, "EdDSA" },
        { "X25519",  "",    OIDC_USE_ENC, "ECDH-ES" }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        pem = pem_of(cases[i].kind);

        is_rc(from_pem(&pem, cases[i].use, "", "", &key), OIDC_OK,
              cases[i].kind);
        is_int(key.use, cases[i].got, "R02 its use");
        is_str(&key.alg, cases[i].alg, "R02 its alg");

        (void) oidc_key_thumbprint(&key, thumbprint);
        is_mem(key.kid.data, key.kid.len, thumbprint, 43,
               "R02 its kid is the thumbprint");

        oidc_key_free(&key);
    }
}


static void
test_purpose(void)
{
    size_t       i;
    oidc_key_t   key;
    oidc_str_t   pem;
    static const struct {
        const char  *kind;
        const char  *use;
        const char  *alg;
        int          use_got;       /* -1: refused */
    } cases[] = {
        { "RSA",     "",     "PS512",        OIDC_USE_SIG },
        { "RSA",     "enc",  "RSA-OAEP-256", OIDC_USE_ENC },
        { "P-256",   "",     "ES256",        OIDC_USE_SIG },
        { "X25519",  "enc",  "ECDH-ES+A256KW", OIDC_USE_ENC },
        { "RSA",     "enc",  "RS256",        -1 },
        { "RSA",     "sig",  "RSA-OAEP",     -1 },
        { "RSA",     "",     "RSA1_5",       -1 },
        { "RSA",     "",     "HS256",        -1 },
        { "RSA",     "",     "ES256",        -1 },
        { "P-256",   "",     "ES384",        -1 },
        { "P-256",   "",     "none",         -1 },
        { "Ed25519", "enc",  "",             -1 },
        { "Ed25519", "",     "ECDH-ES",      -1 },
        { "X25519",  "sig",  "",             -1 },
        { "X25519",  "",     "EdDSA",        -1 },
        { "P-256",   "both", "",             -1 }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        pem = pem_of(cases[i].kind);

        if (cases[i].use_got == -1) {
            is_rc(from_pem(&pem, cases[i].use, cases[i].alg, "", &key),
                  OIDC_KEY, "R05 a key that cannot do this");
            ok(why != NULL && why[0] != '\0', "R05 says: %s", why);
            continue;
        }

        is_rc(from_pem(&pem, cases[i].use, cases[i].alg, "", &key), OIDC_OK,
              "R02 a key for this");
        is_int(key.use, cases[i].use_got, "R02 its use follows alg");
        is_str(&key.alg, cases[i].alg, "R02 its alg is as asked for");
        oidc_key_free(&key);
    }
}


static void
test_kid(void)
{
    char         kid[OIDC_KID_MAX + 2];
    oidc_key_t   key;
    oidc_str_t   pem;

    pem = pem_of("P-256");

    is_rc(from_pem(&pem, "", "", "my \"key\"", &key), OIDC_OK,
          "R02 a kid of one's own");
    is_str(&key.kid, "my \"key\"", "R02 is taken");
    oidc_key_free(&key);

    memset(kid, 'k', sizeof(kid));
    kid[OIDC_KID_MAX] = '\0';
    is_rc(from_pem(&pem, "", "", kid, &key), OIDC_OK,
          "R02 a kid as long as allowed");
    oidc_key_free(&key);

    kid[OIDC_KID_MAX] = 'k';
    kid[OIDC_KID_MAX + 1] = '\0';
    is_rc(from_pem(&pem, "", "", kid, &key), OIDC_KEY, "R02 one too long");
    is_rc(from_pem(&pem, "", "", "\xff", &key), OIDC_KEY,
          "R02 one that is no UTF-8");
}


static void
test_refused(void)
{
    size_t       i;
    oidc_key_t   key;
    oidc_str_t   pem;
    static const char *const  kinds[] = {
        "RSA-1024", "secp256k1", "Ed448", "X448", "P-224"
    };
    static const char *const  texts[] = {
        "", "\n", "junk", "-----BEGIN PRIVATE KEY-----\n",
        "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        "-----BEGIN PRIVATE KEY-----\n!!!!\n-----END PRIVATE KEY-----\n",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    };

    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        pem = pem_of(kinds[i]);
        is_rc(from_pem(&pem, "", "", "", &key), OIDC_KEY, kinds[i]);
        ok(key.pkey == NULL && why[0] != '\0', "R05 says: %s", why);
    }

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        pem = tap_str(texts[i]);
        is_rc(from_pem(&pem, "", "", "", &key), OIDC_KEY, "R05 no PEM");
        ok(strcmp(why, "not a private key in PEM") == 0, "R05 says so");
    }
}


/* standard input is closed: a prompt would fail loudly rather than wait */

static void
test_locked(void)
{
    BIO         *bio;
    char        *data;
    EVP_PKEY    *pkey;
    oidc_key_t   key;
    oidc_str_t   pem;

    close(0);

    pkey = jose_new_key("P-256");

    pem = write_pem(pkey, 0, EVP_aes_128_cbc());
    is_rc(from_pem(&pem, "", "", "", &key), OIDC_KEY, "R05 P20 a locked key");
    ok(strcmp(why, "locked by a passphrase") == 0, "R05 says so");

    pem = write_pem(pkey, 1, EVP_aes_128_cbc());
    is_rc(from_pem(&pem, "", "", "", &key), OIDC_KEY,
          "R05 P20 a locked key of the old form");
    ok(strcmp(why, "locked by a passphrase") == 0, "R05 says so");

    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PUBKEY(bio, pkey);
    pem.len = BIO_get_mem_data(bio, &data);
    pem.data = (u_char *) data;
    is_rc(from_pem(&pem, "", "", "", &key), OIDC_KEY, "R05 a public key");
    ok(strstr(why, "public key") != NULL, "R05 says so");
    BIO_free(bio);

    EVP_PKEY_free(pkey);
}


static void
test_forms(void)
{
    EVP_PKEY    *pkey;
    oidc_key_t   key;
    oidc_str_t   pem, parameters, text;
    oidc_buf_t   buf;

    pkey = jose_new_key("RSA");
    pem = write_pem(pkey, 1, NULL);
    ok(strstr((char *) pem.data, "BEGIN RSA PRIVATE KEY") != NULL,
       "R03 a key of the old form");
    is_rc(from_pem(&pem, "", "", "", &key), OIDC_OK, "R03 is taken");
    oidc_key_free(&key);
    EVP_PKEY_free(pkey);

    /* "openssl ecparam -genkey" puts the curve in front */

    pkey = jose_new_key("P-256");
    pem = write_pem(pkey, 1, NULL);
    parameters = tap_str("-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n"
                         "-----END EC PARAMETERS-----\n");
    oidc_buf_init(&buf, tap_pool(), 0);
    oidc_buf_str(&buf, &parameters);
    oidc_buf_str(&buf, &pem);
    (void) oidc_buf_done(&buf, &text);

    is_rc(from_pem(&text, "", "", "", &key), OIDC_OK,
          "R03 a key behind its parameters");
    oidc_key_free(&key);

    EVP_PKEY_set_utf8_string_param(pkey, OSSL_PKEY_PARAM_EC_ENCODING,
                                   OSSL_PKEY_EC_ENCODING_EXPLICIT);
    pem = write_pem(pkey, 0, NULL);
    is_rc(from_pem(&pem, "", "", "", &key), OIDC_KEY,
          "R05 A.5 a curve that is spelled out");
    EVP_PKEY_free(pkey);

    /* the public half is compressed in the file, never in the set */

    pkey = jose_new_key("P-384");
    EVP_PKEY_set_utf8_string_param(pkey,
                              OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
                              OSSL_PKEY_EC_POINT_CONVERSION_FORMAT_COMPRESSED);
    pem = write_pem(pkey, 0, NULL);
    is_rc(from_pem(&pem, "", "", "", &key), OIDC_OK,
          "R03 A.5 a compressed point");
    (void) oidc_jwks_render(tap_pool(), &key, 1, &text);
    ok(strstr((char *) text.data, "\"y\":\"") != NULL && text.len > 200,
       "JW-3 A.5 is published in full");
    oidc_key_free(&key);
    EVP_PKEY_free(pkey);
}


/* the public half of another key in the file, which fromdata lets pass */

static void
test_mismatch(void)
{
    u_char      *p, point[65], foreign[65];
    u_char       der[512];
    int          len, i;
    size_t       n;
    EVP_PKEY    *a, *b;
    oidc_key_t   key;
    oidc_str_t   pem;
    BIO         *bio;
    char        *data;

    a = jose_new_key("P-256");
    b = jose_new_key("P-256");

    EVP_PKEY_get_octet_string_param(a, OSSL_PKEY_PARAM_PUB_KEY, point,
                                    sizeof(point), &n);
    EVP_PKEY_get_octet_string_param(b, OSSL_PKEY_PARAM_PUB_KEY, foreign,
                                    sizeof(foreign), &n);

    p = der;
    len = i2d_PrivateKey(a, &p);

    for (i = 0; i + 65 <= len; i++) {
        if (memcmp(der + i, point, 65) == 0) {
            memcpy(der + i, foreign, 65);
        }
    }

    bio = BIO_new(BIO_s_mem());
    PEM_write_bio(bio, "EC PRIVATE KEY", "", der, len);
    pem.len = BIO_get_mem_data(bio, &data);
    pem.data = (u_char *) data;

    is_rc(from_pem(&pem, "", "", "", &key), OIDC_KEY,
          "R05 A.5 halves of two keys");
    ok(strstr(why, "belong") != NULL, "R05 says: %s", why);

    BIO_free(bio);
    EVP_PKEY_free(a);
    EVP_PKEY_free(b);

    a = mixed_rsa();
    pem = jose_pem(a);
    is_rc(from_pem(&pem, "", "", "", &key), OIDC_KEY,
          "R05 halves of two RSA keys");
    ok(strstr(why, "belong") != NULL, "R05 says: %s", why);
    EVP_PKEY_free(a);
}


static void
test_render(void)
{
    size_t        i;
    char          member[16];
    json_t       *set;
    oidc_key_t    keys[6];
    oidc_str_t    pem, text;
    oidc_jwks_t  *jwks;
    const char   *const  kinds[] = { "RSA", "P-256", "P-384", "P-521",
                                     "Ed25519", "X25519" };
    const char   *start = "{\"keys\":[{\"kty\":\"RSA\",\"use\":\"enc\","
                          "\"alg\":\"RSA-OAEP\",\"kid\":\"RSA\",\"n\":\"";
    const char   *const  private[] = { "d", "p", "q", "dp", "dq", "qi", "oth",
                                       "k" };

    for (i = 0; i < 6; i++) {
        pem = pem_of(kinds[i]);
        (void) from_pem(&pem, "", "", kinds[i], &keys[i]);
    }

    is_rc(oidc_jwks_render(tap_pool(), keys, 6, &text), OIDC_OK,
          "R01 a set of ours");

    for (i = 0; i < sizeof(private) / sizeof(private[0]); i++) {
        snprintf(member, sizeof(member), "\"%s\":", private[i]);
        ok(strstr((char *) text.data, member) == NULL,
           "R02 no %s is published", private[i]);
    }

    ok(memcmp(text.data, start, strlen(start)) == 0,
       "R02 JW-3 kty, use, alg, kid, then the numbers");
    ok(strstr((char *) text.data, "\"e\":\"AQAB\"") != NULL,
       "JW-3 e without a leading zero");

    is_rc(oidc_jwks_parse(&text, &jwks), OIDC_OK, "R01 we can read it");
    is_int(oidc_jwks_count(jwks), 6, "R01 each key of it");

    for (i = 0; i < 6; i++) {
        is_str(&oidc_jwks_key(jwks, i)->kid, kinds[i], "R03 in our order");
        ok(EVP_PKEY_eq(oidc_jwks_key(jwks, i)->pkey, keys[i].pkey) == 1,
           "R01 the same public key");
    }

    oidc_jwks_free(jwks);

    keys[1].retired = 1;
    (void) oidc_jwks_render(tap_pool(), keys, 2, &text);
    ok(strstr((char *) text.data, "P-256") == NULL,
       "R04 a retired key is not published");

    is_rc(oidc_jwks_render(tap_pool(), keys, 0, &text), OIDC_OK, "R01 no keys");
    is_str(&text, "{\"keys\":[]}", "R01 are an empty set");

    set = json_loadb((char *) text.data, text.len, 0, NULL);
    ok(json_is_object(set), "R01 is JSON");
    json_decref(set);

    tap.fail_after = 0;
    is_rc(oidc_jwks_render(tap_pool(), keys, 6, &text), OIDC_NOMEM,
          "no memory for a set");
    tap.fail_after = -1;

    for (i = 0; i < 6; i++) {
        oidc_key_free(&keys[i]);
    }
}


/* one key in 128 has a coordinate that begins with a zero octet */

static void
test_leading_zero(void)
{
    int          i, good;
    u_char       point[65];
    size_t       n;
    EVP_PKEY    *pkey;
    oidc_key_t   key;
    oidc_str_t   text;

    memset(&key, 0, sizeof(key));
    key.kty = OIDC_KTY_EC;
    key.crv = OIDC_CRV_P256;

    for (i = 0; i < 20000; i++) {
        pkey = jose_new_key("P-256");
        EVP_PKEY_get_octet_string_param(pkey, OSSL_PKEY_PARAM_PUB_KEY, point,
                                        sizeof(point), &n);

        if (point[1] == 0 || point[33] == 0) {
            break;
        }

        EVP_PKEY_free(pkey);
        pkey = NULL;
    }

    key.pkey = pkey;
    (void) oidc_jwks_render(tap_pool(), &key, 1, &text);
    good = text.len == strlen("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\","
                              "\"x\":\"\",\"y\":\"\"}]}") + 43 + 43;
    ok(good, "JW-3 a coordinate that begins with zero has its full length");

    oidc_key_free(&key);
}


static oidc_rc_t
from_pem(const oidc_str_t *pem, const char *use, const char *alg,
    const char *kid, oidc_key_t *key)
{
    oidc_str_t  u, a, k;

    u = tap_str(use);
    a = tap_str(alg);
    k = tap_str(kid);
    why = NULL;

    return oidc_key_from_pem(pem, &u, &a, &k, key, &why);
}


static oidc_str_t
write_pem(EVP_PKEY *pkey, int traditional, const EVP_CIPHER *cipher)
{
    BIO         *bio;
    char        *data;
    oidc_str_t   pem, out;
    u_char      *pass;

    pass = (u_char *) "secret";
    bio = BIO_new(BIO_s_mem());

    if (traditional) {
        PEM_write_bio_PrivateKey_traditional(bio, pkey, cipher, pass, 6, NULL,
                                             NULL);

    } else {
        PEM_write_bio_PrivateKey(bio, pkey, cipher, pass, 6, NULL, NULL);
    }

    pem.len = BIO_get_mem_data(bio, &data);
    pem.data = (u_char *) data;
    (void) oidc_str_dup(tap_pool(), &pem, &out);
    BIO_free(bio);

    return out;
}


/* one key of each kind: an RSA key takes longer to make than the whole test */

static oidc_str_t
pem_of(const char *kind)
{
    size_t             i;
    EVP_PKEY          *pkey;
    static oidc_str_t  pems[16];
    static char        kinds[16][16];

    for (i = 0; kinds[i][0] != '\0'; i++) {
        if (strcmp(kinds[i], kind) == 0) {
            return pems[i];
        }
    }

    pkey = jose_new_key(kind);
    pems[i] = jose_pem(pkey);
    (void) strcpy(kinds[i], kind);
    EVP_PKEY_free(pkey);

    return pems[i];
}


/* n and e of one key, all else of another */

static EVP_PKEY *
mixed_rsa(void)
{
    size_t           i;
    BIGNUM          *n[8];
    EVP_PKEY        *a, *b, *pkey;
    OSSL_PARAM      *params;
    EVP_PKEY_CTX    *ctx;
    OSSL_PARAM_BLD  *bld;
    const char      *const  names[] = {
        OSSL_PKEY_PARAM_RSA_N, OSSL_PKEY_PARAM_RSA_E, OSSL_PKEY_PARAM_RSA_D,
        OSSL_PKEY_PARAM_RSA_FACTOR1, OSSL_PKEY_PARAM_RSA_FACTOR2,
        OSSL_PKEY_PARAM_RSA_EXPONENT1, OSSL_PKEY_PARAM_RSA_EXPONENT2,
        OSSL_PKEY_PARAM_RSA_COEFFICIENT1
    };

    pkey = NULL;
    a = jose_new_key("RSA");
    b = jose_new_key("RSA");
    bld = OSSL_PARAM_BLD_new();

    for (i = 0; i < 8; i++) {
        n[i] = NULL;
        EVP_PKEY_get_bn_param(i < 2 ? a : b, names[i], &n[i]);
        OSSL_PARAM_BLD_push_BN(bld, names[i], n[i]);
    }

    params = OSSL_PARAM_BLD_to_param(bld);
    ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    EVP_PKEY_fromdata_init(ctx);
    EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_KEYPAIR, params);

    for (i = 0; i < 8; i++) {
        BN_clear_free(n[i]);
    }

    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(bld);
    EVP_PKEY_free(a);
    EVP_PKEY_free(b);

    return pkey;
}
