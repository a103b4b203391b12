
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * JWE: what the test encrypts for each alg and enc is decrypted, what is
 * twisted afterwards is refused, and whatever depends on the private key is
 * refused in one and the same way.  The test has a Concat KDF of its own.
 */


#include "encrypt.h"
#include "heap.h"

#include <openssl/core_names.h>

#include "oidc_jwe.h"
#include "oidc_jwe_int.h"
#include "oidc_json.h"


#define ALL_ALGS  0xff
#define ALL_ENCS  0x3f
#define KAT       "../shared/vectors/kat/kat.json"

#define KEYS      5


static void test_every_pair(void);
static void test_lengths(void);
static void test_masks(void);
static void test_names(void);
static void test_header(void);
static void test_encoding(void);
static void test_sizes(void);
static void test_one_error(void);
static void test_epk(void);
static void test_parties(void);
static void test_keys(void);
static void test_private_jwk(void);
static void test_kat(void);
static void test_memory(void);

static oidc_rc_t decrypt(const oidc_str_t *token, oidc_str_t *out);
static oidc_rc_t decrypt_with(const oidc_str_t *token,
    const oidc_jwe_policy_t *policy, oidc_str_t *out);
static oidc_rc_t made(const char *alg, const char *enc, const char *more);
static oidc_str_t flip(const oidc_str_t *s, size_t i);
static oidc_str_t resize(const oidc_str_t *s, size_t len);
static json_t *private_jwk(EVP_PKEY *pkey);
static oidc_rc_t read_private(json_t *jwk, const char *member,
    const char *value);


static const char *const  algs[] = {
    "RSA-OAEP", "RSA-OAEP-256", "RSA-OAEP-384", "RSA-OAEP-512",
    "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A192KW", "ECDH-ES+A256KW"
};

static const char *const  encs[] = {
    "A128GCM", "A192GCM", "A256GCM",
    "A128CBC-HS256", "A192CBC-HS384", "A256CBC-HS512"
};

static const char *const  kinds[KEYS] = {
    "RSA", "P-256", "P-384", "P-521", "X25519"
};

static EVP_PKEY           *pkey[KEYS];
static oidc_key_t          own[KEYS];
static oidc_jwe_policy_t   policy = { ALL_ALGS, ALL_ENCS, own, KEYS, NULL };


int
main(void)
{
    size_t                   i;
    static const oidc_kty_e  kty[KEYS] = {
        OIDC_KTY_RSA, OIDC_KTY_EC, OIDC_KTY_EC, OIDC_KTY_EC, OIDC_KTY_OKP
    };
    static const oidc_crv_e  crv[KEYS] = {
        OIDC_CRV_NONE, OIDC_CRV_P256, OIDC_CRV_P384, OIDC_CRV_P521,
        OIDC_CRV_X25519
    };

    for (i = 0; i < KEYS; i++) {
        pkey[i] = jose_new_key(kinds[i]);
        own[i].pkey = pkey[i];
        own[i].kty = kty[i];
        own[i].crv = crv[i];
        own[i].kid = tap_str(kinds[i]);
    }

    test_every_pair();
    test_lengths();
    test_masks();
    test_names();
    test_header();
    test_encoding();
    test_sizes();
    test_one_error();
    test_epk();
    test_parties();
    test_keys();
    test_private_jwk();
    test_kat();
    test_memory();

    for (i = 0; i < KEYS; i++) {
        EVP_PKEY_free(pkey[i]);
    }

    return done_testing();
}


static void
test_every_pair(void)
{
    char        name[128];
    size_t      a, e, k;
    make_t      m = { 0 };
    oidc_str_t  token, out, part[PARTS];

    for (a = 0; a < 8; a++) {
        for (k = a < 4 ? 0 : 1; k < (a < 4 ? 1 : KEYS); k++) {
            for (e = 0; e < 6; e++) {
                m.alg = algs[a];
                m.enc = encs[e];
                m.to = pkey[k];
                token = make(&m, part);

                snprintf(name, sizeof(name), "R07 KE-8 KE-9 %s %s for %s",
                         m.alg, m.enc, kinds[k]);

                if (decrypt(&token, &out) != OIDC_OK) {
                    fail("%s", name);
                    continue;
                }

                is_str(&out, PLAIN, name);
            }
        }
    }
}


static void
test_lengths(void)
{
    int          good;
    char         text[50];
    size_t       e, i;
    make_t       m = { "ECDH-ES", NULL, pkey[1], NULL, text, 0, 0 };
    oidc_str_t   token, out, part[PARTS];

    for (e = 0; e < 6; e++) {
        m.enc = encs[e];
        good = 0;

        for (i = 0; i < 50; i++) {
            memset(text, 'x', i);
            text[i] = '\0';
            token = make(&m, part);

            good += decrypt(&token, &out) == OIDC_OK
                    && oidc_str_eq_cstr(&out, text);
        }

        ok(good == 50, "KE-9 %s: texts of 0 to 49 octets", m.enc);
    }
}


static void
test_masks(void)
{
    size_t             i;
    make_t             m = { 0 };
    oidc_str_t         token, part[PARTS];
    oidc_jwe_policy_t  p = policy;

    for (i = 0; i < 8; i++) {
        m.alg = algs[i];
        m.enc = "A128GCM";
        m.to = pkey[i < 4 ? 0 : 1];
        token = make(&m, part);

        p.algs = ALL_ALGS & ~(1u << i);
        is_rc(decrypt_with(&token, &p, NULL), OIDC_JWE_ALG,
              "R08 P16 an alg that is not allowed");
        p.algs = 1u << i;
        is_rc(decrypt_with(&token, &p, NULL), OIDC_OK, "R08 ... alone");
    }

    p = policy;
    m.alg = "ECDH-ES";
    m.to = pkey[1];

    for (i = 0; i < 6; i++) {
        m.enc = encs[i];
        token = make(&m, part);

        p.encs = ALL_ENCS & ~(1u << i);
        is_rc(decrypt_with(&token, &p, NULL), OIDC_JWE_ENC,
              "R08 P16 an enc that is not allowed");
        p.encs = 1u << i;
        is_rc(decrypt_with(&token, &p, NULL), OIDC_OK, "R08 ... alone");
    }

    p.algs = 0;
    is_rc(decrypt_with(&token, &p, NULL), OIDC_JWE_ALG, "R08 no alg at all");
}


/* the rest of the token is right for RSA-OAEP and A128GCM */

static void
test_names(void)
{
    char                      more[128];
    size_t                    i;
    oidc_str_t                name;
    static const char *const  bad_algs[] = {
        "\"RSA1_5\"", "\"dir\"", "\"none\"", "\"A128KW\"", "\"A256GCMKW\"",
        "\"PBES2-HS256+A128KW\"", "\"rsa-oaep\"", "\"RSA-OAEP \"", "\"\"",
        "\"RSA-OAEP\\u0041\"", "\"RS256\"", "1", "null", "[\"RSA-OAEP\"]"
    };
    static const char *const  bad_encs[] = {
        "\"A128CBC\"", "\"A128CBC+HS256\"", "\"a128gcm\"", "\"none\"",
        "\"XC20P\"", "\"\"", "128", "null", "[\"A128GCM\"]"
    };

    for (i = 0; i < sizeof(bad_algs) / sizeof(bad_algs[0]); i++) {
        snprintf(more, sizeof(more), "{\"alg\":%s}", bad_algs[i]);
        is_rc(made("RSA-OAEP", "A128GCM", more), OIDC_JWE_ALG, more);
    }

    for (i = 0; i < sizeof(bad_encs) / sizeof(bad_encs[0]); i++) {
        snprintf(more, sizeof(more), "{\"enc\":%s}", bad_encs[i]);
        is_rc(made("RSA-OAEP", "A128GCM", more), OIDC_JWE_ENC, more);
    }

    for (i = 0; i < 8; i++) {
        name = tap_str(algs[i]);
        is_int(oidc_jwe_alg(&name), 1u << i, "KE-8 the bit of an alg");
    }

    for (i = 0; i < 6; i++) {
        name = tap_str(encs[i]);
        is_int(oidc_jwe_enc(&name), 1u << i, "KE-9 the bit of an enc");
    }

    name = tap_str("RSA1_5");
    is_int(oidc_jwe_alg(&name), 0, "KE-10 RSA1_5 has none");
    name = tap_str("dir");
    is_int(oidc_jwe_alg(&name), 0, "R08 dir has none");
}


static void
test_header(void)
{
    size_t                    i;
    make_t                    m = { "RSA-OAEP", "A128GCM", pkey[0], NULL,
                                    NULL, 0, 0 };
    oidc_rc_t                 rc;
    oidc_str_t                token, text, part[PARTS];
    oidc_jwe_t                jwe;
    static const char *const  refused[] = {
        "{\"zip\":\"DEF\"}", "{\"zip\":\"\"}", "{\"zip\":null}",
        "{\"crit\":[\"exp\"]}", "{\"crit\":[]}", "{\"crit\":null}",
        "{\"kid\":1}", "{\"kid\":null}"
    };
    static const char *const  broken[] = {
        "", "[]", "\"RSA-OAEP\"", "{", "{\"alg\":\"RSA-OAEP\"",
        "{\"alg\":\"RSA-OAEP\",\"enc\":\"A128GCM\",\"enc\":\"A128GCM\"}",
        "{\"alg\":\"dir\",\"\\u0061lg\":\"RSA-OAEP\",\"enc\":\"A128GCM\"}",
        "{\"alg\":\"RSA-OAEP\",\"enc\":\"A128GCM\"}x"
    };

    for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        is_rc(made("RSA-OAEP", "A128GCM", refused[i]), OIDC_JWE, refused[i]);
    }

    for (i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        (void) make(&m, part);
        part[HEADER] = tap_str(broken[i]);
        token = join(part);
        is_rc(decrypt(&token, NULL), OIDC_JWE, "P9 a header that is none");
    }

    m.more = "{\"iss\":\"https://idp\",\"aud\":\"us\",\"cty\":\"JWT\","
             "\"jku\":\"https://elsewhere\",\"x\":[1,{}]}";
    token = make(&m, part);
    rc = oidc_jwe_decrypt(tap_pool(), &token, &policy, &jwe);
    is_rc(rc, OIDC_OK, "R10 extra members are accepted");

    if (rc == OIDC_OK) {
        ok(oidc_json_str(jwe.header, "cty", &text) == 1, "R10 and handed over");
        is_str(&text, "JWT", "R10 ... as they are");
        is_int(jwe.alg, OIDC_RSA_OAEP, "R08 its alg");
        is_int(jwe.enc, OIDC_A128GCM, "R08 its enc");
        json_decref(jwe.header);
    }
}


static void
test_encoding(void)
{
    size_t       i, len;
    make_t       m = { "ECDH-ES+A128KW", "A128CBC-HS256", pkey[1], NULL, NULL,
                       0, 0 };
    u_char      *big;
    oidc_str_t   token, b64[PARTS], part[PARTS], empty = { 0, NULL };

    (void) make(&m, part);

    for (i = 0; i < PARTS; i++) {
        b64[i] = jose_b64(part[i].data, part[i].len);
    }

#define CHECK(name)                                                           \
    token = jose_join(&b64[0], &b64[1]);                                      \
    token = jose_join(&token, &b64[2]);                                       \
    token = jose_join(&token, &b64[3]);                                       \
    token = jose_join(&token, &b64[4]);                                       \
    is_rc(decrypt(&token, NULL), OIDC_JWE, name)

    for (i = 0; i < PARTS; i++) {
        oidc_str_t  saved = b64[i];

        len = saved.len;
        b64[i] = resize(&saved, len + 1);
        b64[i].data[len] = '=';
        CHECK("KE-1 P8 padding");
        b64[i].data[len] = '\n';
        CHECK("KE-1 P8 a line break");
        b64[i] = resize(&saved, len);
        b64[i].data[0] = '+';
        CHECK("KE-1 P8 the other alphabet");
        b64[i] = resize(&saved, len / 4 * 4 + 1);
        b64[i].data[len / 4 * 4] = 'A';
        CHECK("KE-1 P8 a length of 1 modulo 4");

        if (len % 4 != 0) {
            b64[i] = resize(&saved, len);
            b64[i].data[len - 1]++;
            CHECK("KE-1 P8 P23 unused bits");
        }

        b64[i] = saved;
    }

    token = join(part);
    token = jose_join(&token, &b64[0]);
    is_rc(decrypt(&token, NULL), OIDC_JWE, "P8 six parts");

    token = jose_join(&b64[0], &b64[1]);
    is_rc(decrypt(&token, NULL), OIDC_JWE, "P8 two parts");
    token = jose_join(&token, &b64[2]);
    is_rc(decrypt(&token, NULL), OIDC_JWE, "P16 three parts, as a JWS has");
    token = jose_join(&token, &b64[3]);
    is_rc(decrypt(&token, NULL), OIDC_JWE, "P8 four parts");
    is_rc(decrypt(&empty, NULL), OIDC_JWE, "P8 nothing");
    token = tap_str("....");
    is_rc(decrypt(&token, NULL), OIDC_JWE, "P8 five parts of nothing");
    token = tap_str("{\"protected\":\"e30\",\"ciphertext\":\"\"}");
    is_rc(decrypt(&token, NULL), OIDC_JWE, "KE-10 JSON serialization");

    /* a right one of the greatest size, and one byte more */

    big = tap_alloc(&tap, 60000);
    memset(big, 'x', 60000);
    m.enc = "A128GCM";
    m.plain = (char *) big;

    big[48000] = '\0';
    token = make(&m, part);
    big[48000] = 'x';
    len = 48000 + (OIDC_JWE_MAX - token.len) / 4 * 3 - 3;

    big[len] = '\0';
    token = make(&m, part);
    big[len] = 'x';
    ok(token.len <= OIDC_JWE_MAX && token.len > OIDC_JWE_MAX - 10,
       "B14 a token of %zu bytes", token.len);
    is_rc(decrypt(&token, NULL), OIDC_OK, "B14 ... is taken");

    big[len + 9] = '\0';
    token = make(&m, part);
    ok(token.len > OIDC_JWE_MAX && token.len < OIDC_JWE_MAX + 20,
       "B14 a token of %zu bytes", token.len);
    is_rc(decrypt(&token, NULL), OIDC_JWE, "B14 ... beyond 64 KiB is not");
}


static void
test_sizes(void)
{
    size_t       e, i, n;
    make_t       m = { "RSA-OAEP", NULL, pkey[0], NULL, NULL, 0, 0 };
    oidc_str_t   token, saved, part[PARTS];
    int          refused, tried;

    for (e = 0; e < 6; e++) {
        m.enc = encs[e];
        (void) make(&m, part);

        for (i = 0; i < 2; i++) {
            saved = part[i ? TAG : IV];
            refused = 0;
            tried = 0;

            for (n = 0; n <= 66; n++) {
                if (n == saved.len) {
                    continue;
                }

                part[i ? TAG : IV] = resize(&saved, n);
                token = join(part);
                refused += decrypt(&token, NULL) == OIDC_JWE;
                tried++;
            }

            part[i ? TAG : IV] = saved;
            ok(refused == tried, "P13 %s: %s of another length", m.enc,
               i ? "a tag" : "an iv");
        }

        if (e >= 3) {
            saved = part[TEXT];
            part[TEXT] = resize(&saved, 0);
            token = join(part);
            is_rc(decrypt(&token, NULL), OIDC_JWE, "P13 CBC of nothing");
            part[TEXT] = resize(&saved, saved.len - 1);
            token = join(part);
            is_rc(decrypt(&token, NULL), OIDC_JWE, "P13 CBC of half a block");
        }
    }

    m.enc = "A256CBC-HS512";

    for (i = 0; i < 3; i++) {
        m.alg = i == 0 ? "RSA-OAEP" : i == 1 ? "ECDH-ES" : "ECDH-ES+A256KW";
        m.to = pkey[i == 0 ? 0 : 3];
        (void) make(&m, part);
        saved = part[KEY];
        refused = 0;
        tried = 0;

        for (n = 0; n <= 300; n += n < 90 ? 1 : 16) {
            if (n == saved.len) {
                continue;
            }

            part[KEY] = resize(&saved, n);
            token = join(part);
            refused += decrypt(&token, NULL) == OIDC_JWE_DECRYPT;
            tried++;
        }

        ok(refused == tried, "P13 %s: an encrypted key of another length",
           m.alg);
    }
}


static void
test_one_error(void)
{
    size_t       a, i, e;
    make_t       m = { 0 };
    EVP_PKEY    *other;
    oidc_str_t   token, saved, part[PARTS];

    for (a = 0; a < 8; a++) {
        for (e = 0; e < 6; e += 5) {
            memset(&m, 0, sizeof(m));
            m.alg = algs[a];
            m.enc = encs[e];
            m.to = pkey[a < 4 ? 0 : 2];
            (void) make(&m, part);

            for (i = KEY; i < PARTS; i++) {
                if (part[i].len == 0) {
                    continue;
                }

                saved = part[i];
                part[i] = flip(&saved, 0);
                token = join(part);
                is_rc(decrypt(&token, NULL), OIDC_JWE_DECRYPT,
                      "KE-7 P12 R08 the first bit of a part");
                part[i] = flip(&saved, saved.len - 1);
                token = join(part);
                is_rc(decrypt(&token, NULL), OIDC_JWE_DECRYPT,
                      "KE-7 P12 R08 its last bit");
                part[i] = saved;
            }

            part[HEADER] = resize(&part[HEADER], part[HEADER].len + 1);
            part[HEADER].data[part[HEADER].len - 1] = ' ';
            token = join(part);
            is_rc(decrypt(&token, NULL), OIDC_JWE_DECRYPT,
                  "KE-7 another header of the same meaning");

            other = jose_new_key(a < 4 ? "RSA" : "P-384");
            m.to = other;
            token = make(&m, part);
            is_rc(decrypt(&token, NULL), OIDC_JWE_DECRYPT,
                  "KE-7 for another's key");
            EVP_PKEY_free(other);
        }
    }

    /* a content key that is wrapped well and too short, or too long */

    memset(&m, 0, sizeof(m));
    m.alg = "RSA-OAEP";
    m.enc = "A256GCM";
    m.to = pkey[0];

    for (m.cek_len = 1; m.cek_len <= 64; m.cek_len++) {
        if (m.cek_len == 32) {
            continue;
        }

        token = make(&m, part);
        is_rc(decrypt(&token, NULL), OIDC_JWE_DECRYPT,
              "KE-7 P13 a content key of another length");
    }

    m.cek_len = 0;
    m.bad_padding = 1;

    for (i = 3; i < 6; i++) {
        m.enc = encs[i];
        token = make(&m, part);
        is_rc(decrypt(&token, NULL), OIDC_JWE_DECRYPT,
              "KE-7 P13 padding that is none, under a right tag");
    }
}


static void
test_epk(void)
{
    char        *text;
    json_t      *jwk;
    size_t       i, n;
    char         more[1024];
    EVP_PKEY    *p256, *p384, *x25519, *ed, *rsa;
    oidc_str_t   x;

    p256 = jose_new_key("P-256");
    p384 = jose_new_key("P-384");
    x25519 = jose_new_key("X25519");
    ed = jose_new_key("Ed25519");
    rsa = pkey[0];

    /* of our own ephemeral keys only that of the same curve gets to the tag */

    for (i = 0; i < 5; i++) {
        jwk = jose_jwk(i == 0 ? p256 : i == 1 ? p384 : i == 2 ? x25519
                       : i == 3 ? ed : rsa, "{}");
        text = json_dumps(jwk, 0);
        n = snprintf(more, sizeof(more), "{\"kid\":\"P-256\",\"epk\":%s}",
                     text);
        ok(n < sizeof(more), "R09 an epk that we hold no secret of");
        is_rc(made("ECDH-ES", "A128GCM", more), OIDC_JWE_DECRYPT,
              "R09 P15 KE-8 is refused, whatever its kind");
        free(text);
        json_decref(jwk);
    }

    EVP_PKEY_free(ed);
    EVP_PKEY_free(x25519);
    EVP_PKEY_free(p384);

    /* members of a right one, one of them bent */

    for (i = 0; i < 8; i++) {
        static const char *const  bent[] = {
            "{\"d\":\"AQ\"}", "{\"crv\":\"P-384\"}", "{\"kty\":\"OKP\"}",
            "{\"x\":\"AA\"}", "{\"y\":1}", "{\"crv\":\"secp256k1\"}",
            "{\"kty\":null}",
            "{\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE\"}"
        };

        jwk = jose_jwk(p256, bent[i]);
        text = json_dumps(jwk, 0);
        snprintf(more, sizeof(more), "{\"kid\":\"P-256\",\"epk\":%s}", text);
        is_rc(made("ECDH-ES", "A128GCM", more), OIDC_JWE_DECRYPT, bent[i]);
        is_rc(made("ECDH-ES+A128KW", "A128GCM", more), OIDC_JWE_DECRYPT,
              bent[i]);
        free(text);
        json_decref(jwk);
    }

    EVP_PKEY_free(p256);

    is_rc(made("ECDH-ES", "A128GCM", "{\"epk\":\"x\"}"), OIDC_JWE_DECRYPT,
          "P15 an epk that is no object");
    is_rc(made("ECDH-ES", "A128GCM", "{\"epk\":null}"), OIDC_JWE_DECRYPT,
          "P15 null");

    /* of small order, RFC 7748 section 6.1 */

    for (i = 0; i < 2; i++) {
        u_char  point[32] = { (u_char) i };

        x = jose_b64(point, 32);
        snprintf(more, sizeof(more), "{\"kid\":\"X25519\",\"epk\":{\"kty\":"
                 "\"OKP\",\"crv\":\"X25519\",\"x\":\"%.*s\"}}", (int) x.len,
                 x.data);
        is_rc(made("ECDH-ES", "A128GCM", more), OIDC_JWE_DECRYPT,
              "P15 X25519: an all-zero secret");
    }
}


static void
test_parties(void)
{
    char        more[2048];
    size_t      i;
    u_char      bytes[513];
    oidc_str_t  b64;

    memset(bytes, 0xa5, sizeof(bytes));

    is_rc(made("ECDH-ES", "A128GCM", "{\"apu\":\"QWxpY2U\",\"apv\":\"Qm9i\"}"),
          OIDC_OK, "R09 apu and apv are honoured");
    is_rc(made("ECDH-ES+A256KW", "A128GCM", "{\"apv\":\"Qm9i\"}"), OIDC_OK,
          "R09 apv alone");
    is_rc(made("ECDH-ES", "A128GCM", "{\"apu\":\"\",\"apv\":\"\"}"), OIDC_OK,
          "R09 empty ones");
    is_rc(made("RSA-OAEP", "A128GCM", "{\"apu\":1}"), OIDC_OK,
          "R10 RSA has none, what is called so is an extra member");

    for (i = 0; i < 2; i++) {
        b64 = jose_b64(bytes, 512 + i);
        snprintf(more, sizeof(more), "{\"apu\":\"%.*s\",\"apv\":\"%.*s\"}",
                 (int) b64.len, b64.data, (int) b64.len, b64.data);
        is_rc(made("ECDH-ES", "A128GCM", more), i ? OIDC_JWE : OIDC_OK,
              i ? "P15 513 octets are too many" : "P15 512 octets");

        snprintf(more, sizeof(more), "{\"%s\":%s}", i ? "apv" : "apu",
                 "\"QWxpY2U=\"");
        is_rc(made("ECDH-ES", "A128GCM", more), OIDC_JWE, "P15 padded");
        snprintf(more, sizeof(more), "{\"%s\":%s}", i ? "apv" : "apu", "[]");
        is_rc(made("ECDH-ES", "A128GCM", more), OIDC_JWE, "P15 no string");
    }
}


static void
test_keys(void)
{
    char               more[600];
    size_t             i;
    make_t             m = { "ECDH-ES", "A128GCM", pkey[1], NULL, NULL, 0, 0 };
    oidc_key_t         ring[OIDC_JWE_CANDIDATES + 1];
    EVP_PKEY          *ec[OIDC_JWE_CANDIDATES];
    oidc_str_t         token, part[PARTS];
    oidc_jwe_policy_t  p = policy;

    is_rc(made("ECDH-ES", "A128GCM", "{\"kid\":\"P-256\"}"), OIDC_OK,
          "R11 the key that kid names");
    is_rc(made("ECDH-ES", "A128GCM", "{\"kid\":\"P-384\"}"), OIDC_JWE_DECRYPT,
          "R11 not another one");
    is_rc(made("ECDH-ES", "A128GCM", "{\"kid\":\"x\"}"), OIDC_JWE_KEY,
          "R11 a kid that none has");
    is_rc(made("ECDH-ES", "A128GCM", "{\"kid\":\"RSA\"}"), OIDC_JWE_KEY,
          "P2 a key that cannot do the alg");
    is_rc(made("RSA-OAEP", "A128GCM", "{\"kid\":\"P-256\"}"), OIDC_JWE_KEY,
          "P2 nor the other way round");

    memset(more, 'k', sizeof(more));
    memcpy(more, "{\"kid\":\"", 8);
    strcpy(more + 8 + OIDC_KID_MAX + 1, "\"}");
    is_rc(made("ECDH-ES", "A128GCM", more), OIDC_JWE, "R11 a kid of 513");

    /* without a kid: four keys, of which the last is right; then five */

    for (i = 0; i < OIDC_JWE_CANDIDATES; i++) {
        ec[i] = jose_new_key("P-256");
        ring[i] = own[1];
        ring[i].pkey = ec[i];
    }

    ring[OIDC_JWE_CANDIDATES] = own[1];
    token = make(&m, part);

    p.keys = ring + 1;
    p.n = OIDC_JWE_CANDIDATES;
    is_rc(decrypt_with(&token, &p, NULL), OIDC_OK, "R11 P5 the last of four");

    p.keys = ring;
    p.n = OIDC_JWE_CANDIDATES + 1;
    is_rc(decrypt_with(&token, &p, NULL), OIDC_JWE_KEY, "R11 P5 five");

    p.n = OIDC_JWE_CANDIDATES;
    is_rc(decrypt_with(&token, &p, NULL), OIDC_JWE_DECRYPT, "R11 none of four");

    p.keys = ring + OIDC_JWE_CANDIDATES;
    p.n = 1;
    ring[OIDC_JWE_CANDIDATES].retired = 1;
    is_rc(decrypt_with(&token, &p, NULL), OIDC_OK, "R11 a retired key");

    ring[OIDC_JWE_CANDIDATES].use = OIDC_USE_ENC;
    ring[OIDC_JWE_CANDIDATES].alg = tap_str("ECDH-ES");
    is_rc(decrypt_with(&token, &p, NULL), OIDC_OK, "P4 its use and alg");

    ring[OIDC_JWE_CANDIDATES].alg = tap_str("ECDH-ES+A128KW");
    is_rc(decrypt_with(&token, &p, NULL), OIDC_JWE_KEY, "P4 P16 another alg");

    ring[OIDC_JWE_CANDIDATES].alg.len = 0;
    ring[OIDC_JWE_CANDIDATES].use = OIDC_USE_SIG;
    is_rc(decrypt_with(&token, &p, NULL), OIDC_JWE_KEY, "P4 use=sig");

    p.n = 0;
    is_rc(decrypt_with(&token, &p, NULL), OIDC_JWE_KEY, "R11 no key at all");

    for (i = 0; i < OIDC_JWE_CANDIDATES; i++) {
        EVP_PKEY_free(ec[i]);
    }
}


static void
test_private_jwk(void)
{
    size_t                    i;
    json_t                   *jwk, *mine;
    EVP_PKEY                 *other;
    static const char *const  crt[] = { "p", "q", "dp", "dq", "qi" };

    for (i = 0; i < KEYS; i++) {
        jwk = private_jwk(pkey[i]);

        is_rc(read_private(jwk, "x-y", "\"\""), OIDC_OK, kinds[i]);
        is_rc(read_private(jwk, "d", NULL), OIDC_KEY, "R02 public only");
        is_rc(read_private(jwk, "d", "1"), OIDC_KEY, "P3 d is no string");
        is_rc(read_private(jwk, "key_ops", "[\"verify\"]"), OIDC_KEY,
              "P4 key_ops of a public key");
        is_rc(read_private(jwk, "key_ops", "[\"deriveKey\",\"decrypt\"]"),
              OIDC_OK, "P4 key_ops of a private key");

        json_decref(jwk);

        /* RSA goes by its primes where it has them */

        if (i > 0) {
            other = jose_new_key(kinds[i]);
            jwk = private_jwk(other);
            EVP_PKEY_free(other);

            mine = private_jwk(pkey[i]);
            json_object_set(jwk, "d", json_object_get(mine, "d"));
            is_rc(read_private(jwk, "x-y", "\"\""), OIDC_KEY,
                  "P3 halves of two keys");
            json_decref(mine);
            json_decref(jwk);
        }
    }

    jwk = private_jwk(pkey[0]);

    for (i = 0; i < 5; i++) {
        is_rc(read_private(jwk, crt[i], i ? NULL : "1"), OIDC_KEY,
              "P3 RSA: a part of the primes");
    }

    is_rc(read_private(jwk, "oth", "[]"), OIDC_KEY, "P3 RSA: more primes");

    for (i = 0; i < 5; i++) {
        json_object_del(jwk, crt[i]);
    }

    is_rc(read_private(jwk, "x-y", "\"\""), OIDC_OK, "P3 RSA: n, e and d only");
    is_rc(read_private(jwk, "d", "\"AQ\""), OIDC_KEY, "P3 RSA: another d");
    json_decref(jwk);
}


static void
test_kat(void)
{
    u_char       out[64];
    json_t      *kat, *header, *vector, *want;
    oidc_str_t   id, text, got;
    oidc_key_t   key;
    const char  *enc;

    text = tap_file(KAT);

    if (text.data == NULL) {
        skip("no " KAT);
        return;
    }

    kat = json_loadb((char *) text.data, text.len, 0, NULL);
    vector = json_object_get(kat, "ecdh_es_concat_kdf_rfc7518_appC");

    is_rc(oidc_key_from_private_jwk(json_object_get(vector, "static"), &key),
          OIDC_OK, "KE-8 RFC 7518 C: Bob's key");

    header = json_pack("{s:O, s:O, s:O}", "apu", json_object_get(vector, "apu"),
                       "apv", json_object_get(vector, "apv"),
                       "epk", json_object_get(vector, "epk_priv"));

    id = tap_str("A128GCM");
    ok(!oidc_jwe_agree(&key, header, &id, out, 16),
       "P15 KE-8 an epk with its private half");
    json_object_del(json_object_get(header, "epk"), "d");

    ok(oidc_jwe_agree(&key, header, &id, out, 16), "KE-8 RFC 7518 C agrees");
    got = jose_b64(out, 16);
    is_str(&got, json_string_value(json_object_get(vector, "derived")),
           "KE-8 RFC 7518 C: the derived key");

    json_object_foreach(json_object_get(vector, "extra_computed_here"), enc,
                        want)
    {
        size_t  len = strcmp(enc, "A256GCM") == 0 ? 32
                      : strcmp(enc, "A128CBC-HS256") == 0 ? 32
                      : strcmp(enc, "A192CBC-HS384") == 0 ? 48 : 64;

        id = tap_str(enc);
        ok(oidc_jwe_agree(&key, header, &id, out, len), "KE-8 %s", enc);
        got = jose_b64(out, len);
        is_str(&got, json_string_value(want), "KE-8 ... of its length");
    }

    oidc_key_free(&key);
    json_decref(header);
    json_decref(kat);
}


static void
test_memory(void)
{
    size_t      e;
    long        n;
    make_t      m = { "ECDH-ES", NULL, pkey[1], NULL, NULL, 0, 0 };
    oidc_rc_t   rc;
    oidc_jwe_t  jwe;
    oidc_str_t  token, part[PARTS];

    for (e = 0; e < 6; e += 5) {
        m.enc = encs[e];
        token = make(&m, part);

        rc = oidc_jwe_decrypt(heap_pool(), &token, &policy, &jwe);
        is_rc(rc, OIDC_OK, "P18 decrypted");
        is_int(heap_count(PLAIN, strlen(PLAIN)), 1, "P18 the text, once");
        json_decref(jwe.header);

        part[TAG] = flip(&part[TAG], 0);
        token = join(part);
        rc = oidc_jwe_decrypt(heap_pool(), &token, &policy, &jwe);
        is_rc(rc, OIDC_JWE_DECRYPT, "P18 refused");
        is_int(heap_count(PLAIN, 16), 0, "P18 no text is left");
    }

    token = make(&m, part);

    for (n = 0, rc = OIDC_NOMEM; rc == OIDC_NOMEM && n < 100; n++) {
        tap.fail_after = n;
        rc = decrypt(&token, NULL);
    }

    tap.fail_after = -1;
    is_rc(rc, OIDC_OK, "B14 memory that is short at any point");
    ok(n > 5, "B14 ... of %ld", n);
}


static oidc_rc_t
decrypt(const oidc_str_t *token, oidc_str_t *out)
{
    return decrypt_with(token, &policy, out);
}


static oidc_rc_t
decrypt_with(const oidc_str_t *token, const oidc_jwe_policy_t *p,
    oidc_str_t *out)
{
    oidc_rc_t   rc;
    oidc_jwe_t  jwe;

    rc = oidc_jwe_decrypt(tap_pool(), token, p, &jwe);

    if (rc == OIDC_OK) {
        json_decref(jwe.header);

        if (out != NULL) {
            *out = jwe.plaintext;
        }
    }

    if (ERR_peek_error() != 0) {
        fail("P19 OpenSSL's error queue is empty");
        ERR_clear_error();
    }

    return rc;
}


/* for RSA, or for P-256 */

static oidc_rc_t
made(const char *alg, const char *enc, const char *more)
{
    make_t      m = { alg, enc, NULL, more, NULL, 0, 0 };
    oidc_str_t  token, part[PARTS];

    m.to = pkey[alg[0] == 'R' ? 0 : 1];
    token = make(&m, part);

    return decrypt(&token, NULL);
}


static oidc_str_t
flip(const oidc_str_t *s, size_t i)
{
    oidc_str_t  out;

    out = resize(s, s->len);
    out.data[i] ^= 1;

    return out;
}


/* a copy, cut or with zeros behind it */

static oidc_str_t
resize(const oidc_str_t *s, size_t len)
{
    oidc_str_t  out;

    out.data = tap_alloc(&tap, len);
    out.len = len;

    if (len) {
        memset(out.data, 0, len);
        memcpy(out.data, s->data, len < s->len ? len : s->len);
    }

    return out;
}


static json_t *
private_jwk(EVP_PKEY *key)
{
    int          n;
    size_t       i, len;
    BIGNUM      *bn;
    json_t      *jwk;
    u_char       buf[1024];
    oidc_str_t   b64;
    static const char *const  names[][2] = {
        { "d", OSSL_PKEY_PARAM_RSA_D },
        { "p", OSSL_PKEY_PARAM_RSA_FACTOR1 },
        { "q", OSSL_PKEY_PARAM_RSA_FACTOR2 },
        { "dp", OSSL_PKEY_PARAM_RSA_EXPONENT1 },
        { "dq", OSSL_PKEY_PARAM_RSA_EXPONENT2 },
        { "qi", OSSL_PKEY_PARAM_RSA_COEFFICIENT1 }
    };

    jwk = jose_jwk(key, "{}");

    if (EVP_PKEY_is_a(key, "X25519")) {
        len = sizeof(buf);
        EVP_PKEY_get_raw_private_key(key, buf, &len);
        b64 = jose_b64(buf, len);
        json_object_set_new(jwk, "d", json_stringn((char *) b64.data,
                                                   b64.len));
        return jwk;
    }

    for (i = 0; i < (EVP_PKEY_is_a(key, "RSA") ? 6 : 1); i++) {
        bn = NULL;
        EVP_PKEY_get_bn_param(key, EVP_PKEY_is_a(key, "EC")
                                   ? OSSL_PKEY_PARAM_PRIV_KEY : names[i][1],
                              &bn);
        n = EVP_PKEY_is_a(key, "EC") ? (EVP_PKEY_get_bits(key) + 7) / 8
                                     : BN_num_bytes(bn);
        BN_bn2binpad(bn, buf, n);
        BN_free(bn);
        b64 = jose_b64(buf, n);
        json_object_set_new(jwk, names[i][0],
                            json_stringn((char *) b64.data, b64.len));
    }

    return jwk;
}


/* with one member replaced (JSON), or removed */

static oidc_rc_t
read_private(json_t *jwk, const char *member, const char *value)
{
    json_t      *copy;
    oidc_rc_t    rc;
    oidc_key_t   key;

    copy = json_copy(jwk);

    if (value == NULL) {
        json_object_del(copy, member);

    } else {
        json_object_set_new(copy, member,
                            json_loads(value, JSON_DECODE_ANY, NULL));
    }

    rc = oidc_key_from_private_jwk(copy, &key);
    json_decref(copy);

    if (rc == OIDC_OK) {
        oidc_key_free(&key);
    }

    if (ERR_peek_error() != 0) {
        fail("P19 OpenSSL's error queue is empty");
        ERR_clear_error();
    }

    return rc;
}
