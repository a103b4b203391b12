
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * DPoP proofs: good ones of each algorithm, and one bent at each check of RFC
 * 9449 section 4.3.
 */


#include "jose.h"

#include "oidc_dpop.h"
#include "oidc_json.h"
#include "oidc_seal.h"


#define NOW    ((int64_t) 1800000000)
#define TOKEN  "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
#define ATH    "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"
#define URL    "https://api.example/a/b"
#define BODY   "\"htm\":\"GET\",\"htu\":\"" URL "\",\"ath\":\"" ATH "\","     \
               "\"iat\":1800000000,\"jti\":\"j1\""


typedef struct {
    const char  *name;
    const char  *payload;
    oidc_rc_t    rc;
} proof_t;


static void test_algs(void);
static void test_claims(void);
static void test_header(void);
static void test_nonce(void);
static void test_identity(void);
static void test_url(void);
static void test_rfc(void);
static void test_memory(void);

static oidc_str_t proof(const char *alg, const char *more,
    const char *payload);
static oidc_rc_t check(oidc_str_t token);


static const proof_t  proofs[] = {
    { "BE-13: good", "{" BODY "}", OIDC_OK },
    { "BE-13: another method", "{\"htm\":\"get\",\"htu\":\"" URL "\","
      "\"ath\":\"" ATH "\",\"iat\":1800000000,\"jti\":\"j\"}",
      OIDC_DPOP_REQUEST },
    { "BE-13: no method", "{\"htu\":\"" URL "\","
      "\"ath\":\"" ATH "\",\"iat\":1800000000,\"jti\":\"j\"}",
      OIDC_DPOP_REQUEST },
    { "BE-13: no URL", "{\"htm\":\"GET\","
      "\"ath\":\"" ATH "\",\"iat\":1800000000,\"jti\":\"j\"}",
      OIDC_DPOP_REQUEST },
    { "BE-13: a URL that is none", "{\"htm\":\"GET\",\"htu\":\"/a/b\","
      "\"ath\":\"" ATH "\",\"iat\":1800000000,\"jti\":\"j\"}",
      OIDC_DPOP_REQUEST },
    { "BE-13: no ath", "{\"htm\":\"GET\",\"htu\":\"" URL "\","
      "\"iat\":1800000000,\"jti\":\"j\"}", OIDC_DPOP_TOKEN },
    { "BE-13: another ath", "{\"htm\":\"GET\",\"htu\":\"" URL "\","
      "\"ath\":\"x\",\"iat\":1800000000,\"jti\":\"j\"}", OIDC_DPOP_TOKEN },
    { "BE-13: no iat", "{\"htm\":\"GET\",\"htu\":\"" URL "\","
      "\"ath\":\"" ATH "\",\"jti\":\"j\"}", OIDC_DPOP_TIME },
    { "BE-13: iat is text", "{\"htm\":\"GET\",\"htu\":\"" URL "\","
      "\"ath\":\"" ATH "\",\"iat\":\"1\",\"jti\":\"j\"}", OIDC_DPOP_TIME },
    { "BE-13: 65 s old", "{\"htm\":\"GET\",\"htu\":\"" URL "\","
      "\"ath\":\"" ATH "\",\"iat\":1799999935,\"jti\":\"j\"}", OIDC_OK },
    { "BE-13: 66 s old", "{\"htm\":\"GET\",\"htu\":\"" URL "\","
      "\"ath\":\"" ATH "\",\"iat\":1799999934,\"jti\":\"j\"}",
      OIDC_DPOP_TIME },
    { "BE-13: 5 s ahead", "{\"htm\":\"GET\",\"htu\":\"" URL "\","
      "\"ath\":\"" ATH "\",\"iat\":1800000005,\"jti\":\"j\"}", OIDC_OK },
    { "BE-13: 6 s ahead", "{\"htm\":\"GET\",\"htu\":\"" URL "\","
      "\"ath\":\"" ATH "\",\"iat\":1800000006,\"jti\":\"j\"}",
      OIDC_DPOP_TIME },
    { "BE-13: no jti", "{\"htm\":\"GET\",\"htu\":\"" URL "\","
      "\"ath\":\"" ATH "\",\"iat\":1800000000}", OIDC_DPOP_PROOF },
    { "BE-13: an empty jti", "{\"htm\":\"GET\",\"htu\":\"" URL "\","
      "\"ath\":\"" ATH "\",\"iat\":1800000000,\"jti\":\"\"}",
      OIDC_DPOP_PROOF },
    { "BE-13: ath as an object", "{\"htm\":\"GET\",\"htu\":\"" URL "\","
      "\"ath\":{},\"iat\":1800000000,\"jti\":\"j\"}", OIDC_DPOP_TOKEN },
    { "BE-13: no object", "[]", OIDC_DPOP_PROOF },
    { "BE-13: a claim twice", "{" BODY ",\"jti\":\"j2\"}", OIDC_DPOP_PROOF },
    { NULL, NULL, OIDC_OK }
};


static oidc_dpop_t         dpop;
static oidc_dpop_expect_t  expect;


int
main(void)
{
    (void) oidc_crypto_init();

    jose_setup();

    expect.method = tap_str("GET");
    expect.url = tap_str(URL "?x=1");
    expect.token = tap_str(TOKEN);
    expect.algs = OIDC_ALG_DEFAULT|OIDC_ES384|OIDC_ES512|OIDC_HS256;
    expect.now = NOW;
    expect.skew = 5;

    test_algs();
    test_claims();
    test_header();
    test_nonce();
    test_identity();
    test_url();
    test_rfc();
    test_memory();

    jose_done();
    oidc_crypto_free();

    return done_testing();
}


static void
test_algs(void)
{
    size_t  i;

    static const char *const  algs[] = {
        "RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA", NULL
    };

    for (i = 0; algs[i] != NULL; i++) {
        ok(check(proof(algs[i], "{}", "{" BODY "}")) == OIDC_OK,
           "BE-13: %s", algs[i]);
    }

    is_rc(check(proof("HS256", "{}", "{" BODY "}")), OIDC_DPOP_PROOF,
          "BE-13: no secret, though the mask has it");
    is_rc(check(proof("RS512", "{}", "{" BODY "}")), OIDC_DPOP_PROOF,
          "BE-13: an alg that is not on the list");
    is_rc(check(proof("ES256", "{\"alg\":\"none\"}", "{" BODY "}")),
          OIDC_DPOP_PROOF, "BE-13: none");
}


static void
test_claims(void)
{
    char            text[8192], jti[OIDC_DPOP_JTI_MAX + 2];
    const proof_t  *p;

    for (p = proofs; p->name != NULL; p++) {
        is_rc(check(proof("ES256", "{}", p->payload)), p->rc, p->name);
    }

    memset(jti, 'j', sizeof(jti));
    jti[OIDC_DPOP_JTI_MAX] = '\0';
    snprintf(text, sizeof(text), "{\"htm\":\"GET\",\"htu\":\"" URL "\","
             "\"ath\":\"" ATH "\",\"iat\":1800000000,\"jti\":\"%s\"}", jti);
    is_rc(check(proof("ES256", "{}", text)), OIDC_OK, "BE-13: a long jti");

    jti[OIDC_DPOP_JTI_MAX] = 'j';
    jti[OIDC_DPOP_JTI_MAX + 1] = '\0';
    snprintf(text, sizeof(text), "{\"htm\":\"GET\",\"htu\":\"" URL "\","
             "\"ath\":\"" ATH "\",\"iat\":1800000000,\"jti\":\"%s\"}", jti);
    is_rc(check(proof("ES256", "{}", text)), OIDC_DPOP_PROOF,
          "BE-13: a longer one");

    snprintf(text, sizeof(text), "{" BODY ",\"x\":\"%05000d\"}", 0);
    is_rc(check(proof("ES256", "{}", text)), OIDC_OK, "BE-13: long");
    snprintf(text, sizeof(text), "{" BODY ",\"x\":\"%07000d\"}", 0);
    is_rc(check(proof("ES256", "{}", text)), OIDC_DPOP_PROOF,
          "BE-13: too long, though its payload is not");
}


static void
test_header(void)
{
    char        *dump, text[32];
    size_t       i;
    json_t      *jwk;
    oidc_str_t   token, other;

    static const char *const  private[] = {
        "d", "p", "q", "dp", "dq", "qi", "oth", "k", NULL
    };

    is_rc(check(tap_str("")), OIDC_DPOP_PROOF, "BE-13: no proof");
    is_rc(check(tap_str("x")), OIDC_DPOP_PROOF, "BE-13: no JWS");
    is_rc(check(tap_str("e30.e30.e30")), OIDC_DPOP_PROOF,
          "BE-13: an empty header");
    is_rc(check(tap_str("W10.e30.e30")), OIDC_DPOP_PROOF,
          "BE-13: a header that is an array");
    is_rc(check(tap_str("!.e30.e30")), OIDC_DPOP_PROOF,
          "BE-13: a header that is no base64url");

    is_rc(check(proof("ES256", "{\"typ\":\"JWT\"}", "{" BODY "}")),
          OIDC_DPOP_PROOF, "BE-13: typ JWT");
    is_rc(check(proof("ES256", "{\"typ\":null}", "{" BODY "}")),
          OIDC_DPOP_PROOF, "BE-13: typ null");
    is_rc(check(proof("ES256", "{\"-typ\":1}", "{" BODY "}")),
          OIDC_DPOP_PROOF, "BE-13: no typ");
    is_rc(check(proof("ES256", "{\"typ\":\"Application/DPoP+JWT\"}",
                      "{" BODY "}")),
          OIDC_OK, "BE-13: typ as a media type, any case");
    is_rc(check(proof("ES256", "{\"crit\":[\"x\"]}", "{" BODY "}")),
          OIDC_DPOP_PROOF, "BE-13: crit");
    is_rc(check(proof("ES256", "{\"kid\":\"whatever\"}", "{" BODY "}")),
          OIDC_OK, "BE-13: a kid means nothing here");
    is_rc(check(proof("ES256", "{\"jwk\":7}", "{" BODY "}")),
          OIDC_DPOP_PROOF, "BE-13: jwk is a number");
    is_rc(check(proof("ES256", "{\"jwk\":{\"kty\":\"oct\",\"k\":\"AAAA\"}}",
                      "{" BODY "}")),
          OIDC_DPOP_PROOF, "BE-13: a symmetric key");
    is_rc(check(proof("ES256", "{\"-jwk\":1}", "{" BODY "}")),
          OIDC_DPOP_PROOF, "BE-13: no jwk");

    for (i = 0; private[i] != NULL; i++) {
        snprintf(text, sizeof(text), "{\"%s\":\"AAAA\"}", private[i]);
        jwk = json_pack("{s:o}", "jwk", jose_jwk(jose_p256.pkey, text));
        dump = json_dumps(jwk, 0);
        ok(check(proof("ES256", dump, "{" BODY "}")) == OIDC_DPOP_PROOF,
           "BE-13: a private key, by its %s", private[i]);
        free(dump);
        json_decref(jwk);
    }

    jwk = json_pack("{s:o}", "jwk",
                    jose_jwk(jose_p256.pkey, "{\"use\":\"enc\"}"));
    dump = json_dumps(jwk, 0);
    is_rc(check(proof("ES256", dump, "{" BODY "}")), OIDC_DPOP_PROOF,
          "BE-13: a key that is for encryption");
    free(dump);
    json_decref(jwk);

    jwk = json_pack("{s:o}", "jwk", jose_jwk(jose_enc.pkey, "{}"));
    dump = json_dumps(jwk, 0);
    is_rc(check(proof("ES256", dump, "{" BODY "}")), OIDC_DPOP_SIGNATURE,
          "BE-13: a key that it was not signed with");
    free(dump);
    json_decref(jwk);

    token = proof("ES256", "{}", "{" BODY "}");
    (void) oidc_str_dup(tap_pool(), &token, &other);
    other.data[other.len - 10] = other.data[other.len - 10] == 'A' ? 'B' : 'A';
    is_rc(check(other), OIDC_DPOP_SIGNATURE, "BE-13: bent");

    other = token;
    other.len = OIDC_DPOP_MAX + 1;
    other.data = tap_alloc(&tap, other.len);
    memset(other.data, 'a', other.len);
    is_rc(check(other), OIDC_DPOP_PROOF, "BE-13: too long");
}


static void
test_nonce(void)
{
    expect.nonce = tap_str("N");

    is_rc(check(proof("ES256", "{}", "{" BODY "}")), OIDC_DPOP_NONCE,
          "BE-13: the nonce is missing");
    is_rc(check(proof("ES256", "{}", "{" BODY ",\"nonce\":\"M\"}")),
          OIDC_DPOP_NONCE, "BE-13: another");
    is_rc(check(proof("ES256", "{}", "{" BODY ",\"nonce\":\"N\"}")), OIDC_OK,
          "BE-13: ours");

    expect.nonce.len = 0;

    is_rc(check(proof("ES256", "{}", "{" BODY ",\"nonce\":\"M\"}")), OIDC_OK,
          "BE-13: one that nobody asked for");
}


static void
test_identity(void)
{
    u_char       first[32], jkt[43];
    json_t      *jwk;
    oidc_key_t   key;

    (void) check(proof("ES256", "{}", "{" BODY "}"));
    memcpy(first, dpop.id, 32);
    memcpy(jkt, dpop.jkt, 43);
    is_int(dpop.until, NOW + 60 + 5 + 1, "BE-13: remembered until too old");

    jwk = jose_jwk(jose_p256.pkey, "{}");
    (void) oidc_key_from_jwk(jwk, &key);
    (void) oidc_key_thumbprint(&key, jkt);
    is_mem(dpop.jkt, 43, (char *) jkt, 43, "BE-13: the key's thumbprint");
    oidc_key_free(&key);
    json_decref(jwk);

    (void) check(proof("ES256", "{}", "{" BODY ",\"more\":1}"));
    ok(memcmp(first, dpop.id, 32) == 0, "BE-13: the same jti is the same");

    (void) check(proof("ES384", "{}", "{" BODY "}"));
    ok(memcmp(first, dpop.id, 32) != 0, "BE-13: of another key it is not");

    (void) check(proof("ES256", "{}", "{\"htm\":\"GET\",\"htu\":\"" URL "\","
                       "\"ath\":\"" ATH "\",\"iat\":1800000000,"
                       "\"jti\":\"j2\"}"));
    ok(memcmp(first, dpop.id, 32) != 0, "BE-13: nor is another jti");
}


static void
test_url(void)
{
    size_t  i;
    char    text[512];

    static const struct {
        const char  *ours;
        const char  *theirs;
        int          same;
    } urls[] = {
        { "https://h/a", "https://h/a", 1 },
        { "https://h/a", "https://h/a?q=1", 1 },
        { "https://h/a", "https://h/a#f", 1 },
        { "https://h/a", "https://h:443/a", 1 },
        { "https://h/a", "HTTPS://H/a", 1 },
        { "https://h/", "https://h", 1 },
        { "https://h/a~b", "https://h/%61%7eb", 1 },
        { "https://h/%2fb", "https://h/%2Fb", 1 },
        { "https://h", "https://h/", 1 },
        { "https://h/azAZ09-._~", "https://h/%61%7a%41%5A%30%39%2d%2E%5f%7E",
          1 },
        { "https://h/@", "https://h/%40", 0 },
        { "https://h/:", "https://h/%3a", 0 },
        { "https://h/%5b", "https://h/[", 0 },
        { "https://h/%60", "https://h/`", 0 },
        { "https://h/%7b", "https://h/{", 0 },
        { "https://h/!", "https://h/%21", 0 },
        { "https://h/%", "https://h/%", 1 },
        { "https://h/%4", "https://h/%4", 1 },
        { "https://h/a", "https://h/A", 0 },
        { "https://h/a", "https://h/a/", 0 },
        { "https://h/a", "http://h/a", 0 },
        { "https://h/a", "https://h:8443/a", 0 },
        { "https://h/a", "https://i/a", 0 },
        { "https://h/a/b", "https://h/a%2fb", 0 },
        { "https://h/a", "https://u@h/a", 0 },
        { "https://h/a", "h/a", 0 },
        { "https://h/a", "", 0 }
    };

    for (i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        expect.url = tap_str(urls[i].ours);
        snprintf(text, sizeof(text), "{\"htm\":\"GET\",\"htu\":\"%s\","
                 "\"ath\":\"" ATH "\",\"iat\":1800000000,\"jti\":\"j\"}",
                 urls[i].theirs);

        ok((check(proof("ES256", "{}", text)) == OIDC_OK) == urls[i].same,
           "BE-13: %s for %s", urls[i].theirs, urls[i].ours);
    }

    expect.url = tap_str(URL "?x=1");
}


/* the proof of RFC 9449 section 7.1, signed by somebody else */

static void
test_rfc(void)
{
    oidc_dpop_expect_t  rfc;

    static const char  text[] =
        "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwi"
        "eCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5"
        "IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNy"
        "diI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiw"
        "iaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJ"
        "jZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHh"
        "XWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA"
        "1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";

    rfc = expect;
    rfc.url = tap_str("https://resource.example.org/protectedresource");
    rfc.now = 1562262618;

    expect = rfc;
    is_rc(check(tap_str(text)), OIDC_OK, "BE-13: the example of RFC 9449");
    is_mem(dpop.jkt, 43, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I", 43,
           "BE-13: its jkt (section 6.1)");
    expect.url = tap_str(URL "?x=1");
    expect.now = NOW;
}


static void
test_memory(void)
{
    int         i;
    oidc_rc_t   rc;
    oidc_str_t  token;

    token = proof("ES256", "{}", "{" BODY "}");

    for (i = 0; i < 20; i++) {
        tap.fail_after = i;
        rc = check(token);

        if (rc != OIDC_NOMEM) {
            break;
        }
    }

    tap.fail_after = -1;

    ok(i > 2 && rc == OIDC_OK, "B14: memory fails at each of %d places", i);
}


/* members of "more" on top, "-name" takes one away */

static oidc_str_t
proof(const char *alg, const char *more, const char *payload)
{
    char              *text;
    json_t            *header, *members, *value;
    oidc_str_t         token;
    const char        *name;
    const jose_key_t  *key;

    key = jose_key_of(alg);

    header = json_pack("{s:s, s:s}", "typ", "dpop+jwt", "alg", alg);
    json_object_set_new(header, "jwk",
                        alg[0] == 'H' ? json_object()
                                      : jose_jwk(key->pkey, "{}"));

    members = json_loads(more, 0, NULL);

    json_object_foreach(members, name, value) {
        if (name[0] == '-') {
            json_object_del(header, name + 1);

        } else {
            json_object_set(header, name, value);
        }
    }

    text = json_dumps(header, JSON_COMPACT);
    token = jose_token(alg, key, text, payload);

    free(text);
    json_decref(members);
    json_decref(header);

    return token;
}


static oidc_rc_t
check(oidc_str_t token)
{
    oidc_rc_t  rc;

    rc = oidc_dpop_check(tap_pool(), &token, &expect, &dpop);

    if (rc != OIDC_OK && dpop.until != 0) {
        fail("BE-13: something of a refused proof");
    }

    if (ERR_peek_error() != 0) {
        fail("P19 OpenSSL's error queue is empty");
        ERR_clear_error();
    }

    return rc;
}
