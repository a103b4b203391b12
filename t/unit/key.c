
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Keys: JWK in and out, PEM, thumbprints, which key may verify what.
 */


#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>

#include "oidc_json.h"
#include "oidc_key.h"
#include "jose.h"


static void test_thumbprint(void);
static void test_vectors(void);
static void test_jwk_refused(void);
static void test_jwk_rsa_sizes(void);
static void test_jwk_labels(void);
static void test_can(void);
static void test_set(void);
static void test_set_refused(void);
static void test_select(void);

static oidc_rc_t from_jwk(const char *text, oidc_key_t *key);
static int thumbprint_is(const char *jwk, const char *expected);
static size_t selected(const oidc_jwks_t *jwks, const char *alg,
    const char *kid, oidc_rc_t *rc);


/* RFC 7638 section 3.1 */

#define RFC7638_N                                                             \
    "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aP"\
    "FFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl9"\
    "3lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdA"\
    "ZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3"\
    "XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"

/* RFC 7515 A.3 */

#define P256_X  "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define P256_Y  "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"

/* RFC 8037 A.2 */

#define ED_X    "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"

#define EC_JWK  "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" P256_X           \
                "\",\"y\":\"" P256_Y "\""
#define ED_JWK  "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" ED_X "\""


int
main(void)
{
    test_thumbprint();
    test_vectors();
    test_jwk_refused();
    test_jwk_rsa_sizes();
    test_jwk_labels();
    test_can();
    test_set();
    test_set_refused();
    test_select();

    is_int(ERR_peek_error(), 0, "P19 OpenSSL's error queue is empty");

    return done_testing();
}


static void
test_thumbprint(void)
{
    ok(thumbprint_is("{\"kty\":\"RSA\",\"n\":\"" RFC7638_N "\",\"e\":\"AQAB\","
                     "\"alg\":\"RS256\",\"kid\":\"2011-04-29\"}",
                     "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"),
       "R02 P24 thumbprint of RFC 7638 section 3.1");
    ok(thumbprint_is(ED_JWK "}",
                     "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"),
       "R02 P24 thumbprint of RFC 8037 A.3");
    ok(thumbprint_is("{\"kty\":\"RSA\",\"n\":\"" /* a sign octet in front */
                     "ANL8e2oKHmxnEErrj4iyV2abTfZ53a0Jm1xKbNmogBW1oTO_C4VseHG23"
                     "wALVU_Os8LtUSu2jxRcboQ0dS-rUqHPwSRAj3m1ikV4wWQohVeJ96JJ44"
                     "TLLZ-uLWf9lvuSbBmOB3OZ_cgVwK8Jfd5are_0TecOgn9IeEMkOb_uuWB"
                     "o0EdPxQ1tkL86mN-vEEDInALWkqs7PCiWYJ2G_XO3dM4HQGR87uqjEL0S"
                     "-YWo659Z_dQmzqWyEg9PKjS8q3ZLfmxU1oQCOLzEBYelnmbtHzOJRXdjX"
                     "EcK91z5LCDR2kPhv8QZ4iKm8NC7NYxeOPnLBQrq_pBIFPGsGqScyp6gyo"
                     "M"
                     "\",\"e\":\"AQAB\"}",
                     "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"),
       "R02 a leading zero octet in n is no part of the number");
}


static void
test_vectors(void)
{
    char        *jwk;
    size_t       i;
    json_t      *kat, *row;
    oidc_str_t   text;
    const char  *const  names[] = { "jwk_thumbprint_rfc7638", "thumbprint",
                                    "jwk_thumbprint_okp_rfc8037_A3",
                                    "thumbprint",
                                    "dpop_jkt_rfc9449", "jkt" };

    text = tap_file("../shared/vectors/kat/kat.json");

    if (text.data == NULL) {
        skip("no ../shared/vectors");
        return;
    }

    kat = json_loadb((char *) text.data, text.len, 0, NULL);

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i += 2) {
        row = json_object_get(kat, names[i]);
        jwk = json_dumps(json_object_get(row, "jwk"), 0);

        ok(thumbprint_is(jwk, json_string_value(json_object_get(row,
                                                             names[i + 1]))),
           "R02 P24 %s", names[i]);

        free(jwk);
    }

    json_decref(kat);
}


static void
test_jwk_refused(void)
{
    size_t       i;
    oidc_key_t   key;
    static const struct {
        const char  *jwk;
        const char  *name;
    } cases[] = {
        { "{}", "V09 no kty" },
        { "{\"kty\":1}", "V09 kty is a number" },
        { "{\"kty\":\"XYZ\"}", "V09 an unknown kty" },
        { "{\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMko\"}",
          "V06 P2 oct" },
        { "{\"kty\":\"ec\",\"crv\":\"P-256\",\"x\":\"" P256_X "\",\"y\":\""
          P256_Y "\"}", "V09 case of kty matters" },
        { "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" P256_X "\"}",
          "V09 EC without y" },
        { "{\"kty\":\"EC\",\"x\":\"" P256_X "\",\"y\":\"" P256_Y "\"}",
          "V09 EC without crv" },
        { "{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"" P256_X "\",\"y\":\""
          P256_Y "\"}", "V09 an unknown crv" },
        { "{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"" P256_X "\",\"y\":\""
          P256_Y "\"}", "V09 the coordinates of another curve" },
        { "{\"kty\":\"EC\",\"crv\":\"Ed25519\",\"x\":\"" P256_X "\",\"y\":\""
          P256_Y "\"}", "V09 the curve of another kty" },
        { "{\"kty\":\"OKP\",\"crv\":\"P-256\",\"x\":\"" P256_X "\"}",
          "V09 the curve of another kty, the other way" },
        { "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" P256_X "\",\"y\":\""
          P256_X "\"}", "V09 A.5 a point off the curve" },
        { "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}",
          "V09 A.5 short coordinates" },
        { "{\"kty\":\"EC\",\"crv\":\"P-256\","
          "\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
          "\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
          "V09 A.5 the point (0, 0)" },
        { "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" P256_X "=\",\"y\":\""
          P256_Y "\"}", "V09 P8 padding" },
        { "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA" P256_X "\",\"y\":\""
          P256_Y "\"}", "V09 a coordinate that is too long" },
        { "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AA\"}",
          "V09 a short Ed25519 key" },
        { "{\"kty\":\"OKP\",\"crv\":\"Ed448\",\"x\":\"" ED_X "\"}",
          "V09 Ed448" },
        { "{\"kty\":\"RSA\",\"n\":\"" RFC7638_N "\"}", "V09 RSA without e" },
        { "{\"kty\":\"RSA\",\"n\":\"" RFC7638_N "\",\"e\":\"AQ\"}",
          "V09 A.5 e = 1" },
        { "{\"kty\":\"RSA\",\"n\":\"" RFC7638_N "\",\"e\":\"AA\"}",
          "V09 A.5 e = 0" },
        { "{\"kty\":\"RSA\",\"n\":\"" RFC7638_N "\",\"e\":\"AQAA\"}",
          "V09 A.5 e even" },
        { "{\"kty\":\"RSA\",\"n\":\"" RFC7638_N "\",\"e\":\"AQAAAAAAAAAB\"}",
          "V09 A.5 e beyond 64 bits" },
        { "{\"kty\":\"RSA\",\"n\":\"\",\"e\":\"AQAB\"}", "V09 n empty" },
        { "{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}", "V09 n tiny" },
        { "{\"kty\":\"RSA\",\"n\":5,\"e\":\"AQAB\"}", "V09 n a number" },
        { EC_JWK ",\"use\":\"wrap\"}", "V09 an unknown use" },
        { EC_JWK ",\"use\":[\"sig\"]}", "V09 use is an array" },
        { EC_JWK ",\"alg\":256}", "V09 alg is a number" },
        { EC_JWK ",\"kid\":1}", "V09 kid is a number" },
        { EC_JWK ",\"key_ops\":\"verify\"}", "V09 key_ops is a string" }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        is_rc(from_jwk(cases[i].jwk, &key), OIDC_KEY, cases[i].name);

        if (key.pkey != NULL || key.kid.data != NULL || key.alg.data != NULL) {
            fail("%s: nothing is left behind", cases[i].name);
            oidc_key_free(&key);
        }

        is_int(ERR_peek_error(), 0, "P19 no error is left behind");
    }
}


/* numbers of the right shape are enough: these are no products of primes */

static void
test_jwk_rsa_sizes(void)
{
    char         name[64];
    size_t       i;
    u_char       n[5000];
    json_t      *jwk;
    oidc_str_t   text;
    oidc_key_t   key;
    static const struct {
        size_t     bits;
        u_char     last;
        oidc_rc_t  rc;
    } cases[] = {
        { 1024, 1, OIDC_KEY }, { 2047, 1, OIDC_KEY }, { 2048, 1, OIDC_OK },
        { 4096, 1, OIDC_OK }, { 8192, 1, OIDC_OK }, { 8193, 1, OIDC_KEY },
        { 16384, 1, OIDC_KEY }, { 32769, 1, OIDC_KEY }, { 2048, 2, OIDC_KEY }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        memset(n, 0xff, sizeof(n));
        n[0] = 0xff >> (7 - (cases[i].bits + 7) % 8);
        n[(cases[i].bits + 7) / 8 - 1] = cases[i].last;

        text = jose_b64(n, (cases[i].bits + 7) / 8);
        jwk = json_pack("{s:s, s:s, s:s}", "kty", "RSA", "e", "AQAB",
                        "n", (char *) text.data);

        snprintf(name, sizeof(name), "V09 A.5 n of %zu bits that ends in %d",
                 cases[i].bits, cases[i].last);
        is_rc(oidc_key_from_jwk(jwk, &key), cases[i].rc, name);

        oidc_key_free(&key);
        json_decref(jwk);
    }
}


static void
test_jwk_labels(void)
{
    oidc_key_t  key;

    is_rc(from_jwk(EC_JWK "}", &key), OIDC_OK, "V09 a bare EC key");
    ok(key.kty == OIDC_KTY_EC && key.crv == OIDC_CRV_P256
       && key.use == OIDC_USE_ANY && !key.no_verify && !key.retired
       && key.alg.len == 0 && key.kid.len == 0, "V09 has no labels");
    oidc_key_free(&key);

    is_rc(from_jwk(EC_JWK ",\"use\":\"sig\",\"alg\":\"ES256\","
                   "\"kid\":\"k\\u0031\",\"key_ops\":[\"verify\"],"
                   "\"d\":\"not even base64!\","
                   "\"x5c\":[\"broken\"],\"x5u\":5,\"what\":{}}", &key),
          OIDC_OK, "V09 a key with labels, junk in what we do not use");
    is_int(key.use, OIDC_USE_SIG, "V09 its use");
    is_str(&key.alg, "ES256", "V09 its alg");
    is_str(&key.kid, "k1", "V09 its kid");
    ok(!key.no_verify, "V09 its key_ops");
    oidc_key_free(&key);

    is_rc(from_jwk(EC_JWK ",\"key_ops\":[\"deriveKey\"],\"use\":\"enc\"}",
                   &key),
          OIDC_OK, "V09 a key to encrypt with");
    ok(key.no_verify && key.use == OIDC_USE_ENC, "V09 verifies nothing");
    oidc_key_free(&key);

    is_rc(from_jwk(ED_JWK "}", &key), OIDC_OK, "V09 an Ed25519 key");
    ok(key.kty == OIDC_KTY_OKP && key.crv == OIDC_CRV_ED25519,
       "V09 of its kind");
    oidc_key_free(&key);

    is_rc(from_jwk("{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"" ED_X "\"}",
                   &key),
          OIDC_OK, "V09 an X25519 key");
    is_int(key.crv, OIDC_CRV_X25519, "V09 of its kind");
    oidc_key_free(&key);
}


static void
test_can(void)
{
    size_t       i, j;
    oidc_key_t   key;
    oidc_str_t   name;
    static const char *const  algs[] = {
        "RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
        "ES256", "ES384", "ES512", "EdDSA", "HS256", "HS384", "HS512",
        "RSA-OAEP", "RSA-OAEP-256",
        "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW",
        "none", "rs256", "", "RSA1_5", "dir", "ES256K"
    };
    static const struct {
        oidc_kty_e   kty;
        oidc_crv_e   crv;
        const char  *can;       /* one character for each alg */
        const char  *name;
    } rows[] = {
        { OIDC_KTY_RSA, OIDC_CRV_NONE,    "111111000000011000000000", "RSA" },
        { OIDC_KTY_EC,  OIDC_CRV_P256,    "000000100000000111000000", "P-256" },
        { OIDC_KTY_EC,  OIDC_CRV_P384,    "000000010000000111000000", "P-384" },
        { OIDC_KTY_EC,  OIDC_CRV_P521,    "000000001000000111000000", "P-521" },
        { OIDC_KTY_OKP, OIDC_CRV_ED25519, "000000000100000000000000", "Ed" },
        { OIDC_KTY_OKP, OIDC_CRV_X25519,  "000000000000000111000000", "X" },
        { OIDC_KTY_OCT, OIDC_CRV_NONE,    "000000000011100000000000", "oct" },
        { OIDC_KTY_NONE, OIDC_CRV_NONE,   "000000000000000000000000", "none" }
    };

    memset(&key, 0, sizeof(key));

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        key.kty = rows[i].kty;
        key.crv = rows[i].crv;

        for (j = 0; j < sizeof(algs) / sizeof(algs[0]); j++) {
            name = tap_str(algs[j]);

            if (oidc_key_can(&key, &name) != (rows[i].can[j] == '1')) {
                fail("V06 P2 %s and %s", rows[i].name, algs[j]);
            }
        }

        pass("V06 P2 what %s can and cannot", rows[i].name);
    }
}


static void
test_set(void)
{
    oidc_str_t    text;
    oidc_jwks_t  *jwks;

    text = tap_str("{\"keys\":[" ED_JWK ",\"kid\":\"a\"},"
                   "{\"kty\":\"oct\",\"k\":\"AAAA\",\"kid\":\"b\"},"
                   "5,null,[],{},{\"kty\":\"RSA\",\"n\":\"!\",\"e\":\"AQAB\"},"
                   EC_JWK ",\"kid\":\"c\",\"x5c\":[\"broken\"]}],"
                   "\"other\":true}");

    is_rc(oidc_jwks_parse(&text, &jwks), OIDC_OK,
          "V09 bad keys do not spoil a set");
    is_int(oidc_jwks_count(jwks), 2, "V09 the good ones are kept");
    is_str(&oidc_jwks_key(jwks, 0)->kid, "a", "V09 in their order");
    is_str(&oidc_jwks_key(jwks, 1)->kid, "c", "V09 to the last");
    oidc_jwks_free(jwks);

    text = tap_str("{\"keys\":[]}");
    is_rc(oidc_jwks_parse(&text, &jwks), OIDC_OK, "V09 an empty set is one");
    is_int(oidc_jwks_count(jwks), 0, "V09 without keys");
    oidc_jwks_free(jwks);

    oidc_jwks_free(NULL);
}


static void
test_set_refused(void)
{
    char         *text;
    size_t        i, n;
    json_t       *array, *set;
    oidc_str_t    str;
    oidc_jwks_t  *jwks;
    const char   *const  cases[] = {
        "", "null", "[]", "{}", "{\"keys\":{}}", "{\"keys\":null}",
        "{\"keys\":\"\"}", "{\"keys\":[]", "{\"keys\":[],\"keys\":[]}",
        "[" EC_JWK "}]", EC_JWK "}"
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        str = tap_str(cases[i]);
        is_rc(oidc_jwks_parse(&str, &jwks), OIDC_JWKS, "V09 no JWK Set");
    }

    for (n = OIDC_JWKS_MAX_KEYS; n <= OIDC_JWKS_MAX_KEYS + 1; n++) {
        array = json_array();

        for (i = 0; i < n; i++) {
            json_array_append_new(array, json_loads(ED_JWK "}", 0, NULL));
        }

        set = json_pack("{s:o}", "keys", array);
        text = json_dumps(set, 0);
        str = tap_str(text);

        if (n == OIDC_JWKS_MAX_KEYS) {
            is_rc(oidc_jwks_parse(&str, &jwks), OIDC_OK,
                  "V09 as many keys as allowed");
            is_int(oidc_jwks_count(jwks), n, "V09 are all kept");
            oidc_jwks_free(jwks);

        } else {
            is_rc(oidc_jwks_parse(&str, &jwks), OIDC_JWKS,
                  "V09 one key too many");
        }

        free(text);
        json_decref(set);
    }

    str.len = OIDC_JWKS_MAX + 1;
    str.data = tap_alloc(&tap, str.len);
    memset(str.data, ' ', str.len);
    memcpy(str.data, "{\"keys\":[]}", 11);
    is_rc(oidc_jwks_parse(&str, &jwks), OIDC_JWKS, "V09 a byte too many");
    str.len--;
    is_rc(oidc_jwks_parse(&str, &jwks), OIDC_OK, "V09 as long as allowed");
    oidc_jwks_free(jwks);
}


static void
test_select(void)
{
    oidc_rc_t     rc;
    oidc_str_t    text;
    oidc_jwks_t  *jwks;

    text = tap_str("{\"keys\":["
        ED_JWK ",\"kid\":\"one\"},"
        EC_JWK ",\"kid\":\"one\",\"use\":\"sig\"},"
        EC_JWK ",\"kid\":\"enc\",\"use\":\"enc\"},"
        EC_JWK ",\"kid\":\"ops\",\"key_ops\":[\"sign\"]},"
        EC_JWK ",\"kid\":\"alg\",\"alg\":\"ECDH-ES\"},"
        EC_JWK ",\"kid\":\"two\",\"alg\":\"ES256\"},"
        EC_JWK ",\"kid\":\"two\"},"
        EC_JWK "}"
        "]}");

    (void) oidc_jwks_parse(&text, &jwks);
    is_int(oidc_jwks_count(jwks), 8, "V07 a set of eight keys");

    is_int(selected(jwks, "ES256", "one", &rc), 1,
           "V07 P5 a kid twice: the one whose kty fits");
    is_int(selected(jwks, "EdDSA", "one", &rc), 1, "V07 P5 and the other");
    is_int(selected(jwks, "ES256", "two", &rc), 2,
           "V07 P5 a kid twice and both fit: both");
    is_int(selected(jwks, "EdDSA", "", &rc), 1,
           "V08 P5 without a kid: those that fit");
    is_int(selected(jwks, "ES256", "", &rc), 4,
           "V08 P5 no use=enc, no other alg, no other key_ops among them");

    (void) selected(jwks, "ES256", "three", &rc);
    is_rc(rc, OIDC_JWS_KID, "V07 no such kid");
    (void) selected(jwks, "ES256", "on", &rc);
    is_rc(rc, OIDC_JWS_KID, "V07 not by its beginning");
    (void) selected(jwks, "ES256", "One", &rc);
    is_rc(rc, OIDC_JWS_KID, "V07 case matters");
    (void) selected(jwks, "ES256", "enc", &rc);
    is_rc(rc, OIDC_JWS_KEY, "V09 P4 use=enc verifies nothing");
    (void) selected(jwks, "ES256", "ops", &rc);
    is_rc(rc, OIDC_JWS_KEY, "V09 P4 key_ops without verify");
    (void) selected(jwks, "ES256", "alg", &rc);
    is_rc(rc, OIDC_JWS_KEY, "V09 P4 a key for another alg");
    (void) selected(jwks, "ES384", "one", &rc);
    is_rc(rc, OIDC_JWS_KEY, "V06 P2 a curve that does not fit");
    (void) selected(jwks, "HS256", "", &rc);
    is_rc(rc, OIDC_JWS_KEY, "V06 P2 HS256 never finds a key here");
    (void) selected(jwks, "RS256", "", &rc);
    is_rc(rc, OIDC_JWS_KEY, "V08 none of this kind");

    oidc_jwks_free(jwks);

    text = tap_str("{\"keys\":[" EC_JWK "}," EC_JWK "}," EC_JWK "}," EC_JWK
                   "}," EC_JWK "}]}");
    (void) oidc_jwks_parse(&text, &jwks);
    (void) selected(jwks, "ES256", "", &rc);
    is_rc(rc, OIDC_JWS_KEY, "V08 P5 five candidates are too many to try");
    oidc_jwks_free(jwks);
}


static oidc_rc_t
from_jwk(const char *text, oidc_key_t *key)
{
    json_t     *jwk;
    oidc_rc_t   rc;

    jwk = json_loads(text, 0, NULL);

    if (jwk == NULL) {
        fail("not JSON: %s", text);
        return OIDC_JSON;
    }

    rc = oidc_key_from_jwk(jwk, key);

    json_decref(jwk);

    return rc;
}


static int
thumbprint_is(const char *jwk, const char *expected)
{
    int         good;
    u_char      thumbprint[43];
    oidc_key_t  key;

    if (from_jwk(jwk, &key) != OIDC_OK) {
        return 0;
    }

    good = oidc_key_thumbprint(&key, thumbprint) == OIDC_OK
           && strlen(expected) == 43
           && memcmp(thumbprint, expected, 43) == 0;

    oidc_key_free(&key);

    return good;
}


static size_t
selected(const oidc_jwks_t *jwks, const char *alg, const char *kid,
    oidc_rc_t *rc)
{
    size_t             n;
    oidc_str_t         a, k;
    const oidc_key_t  *found[4];

    a = tap_str(alg);
    k = tap_str(kid);
    *rc = oidc_jwks_select(jwks, &a, &k, found, 4, &n);

    return *rc == OIDC_OK ? n : 0;
}
