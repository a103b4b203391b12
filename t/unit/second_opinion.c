
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The second opinion: every token that libjwt can take goes through libjwt and
 * through us.  Where the verdicts differ, the difference is listed here with
 * its reason; a difference that is not listed fails, and so does a listed one
 * that is gone, unless it depends on the version of libjwt.
 *
 * jwt_decode() is the API of libjwt 1.x and 2.x.  No header has a version
 * macro; the one asked for below came with 3.x, which took jwt_decode() away.
 */


#include <jwt.h>

#include "jose.h"


#ifndef jwt_set_GET_INT
#define SECOND_OPINION  1
#endif


#ifdef SECOND_OPINION


typedef enum {
    AGREE = 0,
    STRICTER,       /* libjwt takes it, we do not */
    WIDER,          /* we take it, libjwt does not */
    EITHER          /* by the version of libjwt */
} second_e;


typedef struct {
    const char  *sign;      /* how the token is really signed */
    const char  *header;
    const char  *payload;
    second_e     expected;
    const char  *why;
} second_case_t;


static void second_cases(void);
static void second_tampered(void);
static void second_confusion(void);
static int second_libjwt(const char *alg, const oidc_str_t *token);
static oidc_str_t second_public(EVP_PKEY *pkey);
static void second_compare(const char *alg, const oidc_str_t *token,
    second_e expected, const char *name);


static const second_case_t  second_rows[] = {

    { "RS256", "{\"alg\":\"RS256\"}", JOSE_PAYLOAD, AGREE, "" },
    { "RS384", "{\"alg\":\"RS384\"}", JOSE_PAYLOAD, AGREE, "" },
    { "RS512", "{\"alg\":\"RS512\"}", JOSE_PAYLOAD, AGREE, "" },
    { "ES256", "{\"alg\":\"ES256\"}", JOSE_PAYLOAD, AGREE, "" },
    { "ES384", "{\"alg\":\"ES384\"}", JOSE_PAYLOAD, AGREE, "" },
    { "ES512", "{\"alg\":\"ES512\"}", JOSE_PAYLOAD, AGREE, "" },
    { "HS256", "{\"alg\":\"HS256\"}", JOSE_PAYLOAD, AGREE, "" },
    { "HS384", "{\"alg\":\"HS384\"}", JOSE_PAYLOAD, AGREE, "" },
    { "HS512", "{\"alg\":\"HS512\"}", JOSE_PAYLOAD, AGREE, "" },

    { "ES256", "{\"typ\":\"JWT\",\"alg\":\"ES256\",\"kid\":\"ec\",\"x\":[1]}",
      "{\"iss\":\"https://idp/\",\"aud\":[\"a\",\"b\"],\"exp\":1.5e9}",
      AGREE, "typ, kid and members that nobody knows" },

    { "RS256", "{\"alg\":\"ES256\"}", JOSE_PAYLOAD, AGREE,
      "alg of another family" },
    { "RS256", "{\"alg\":\"RS512\"}", JOSE_PAYLOAD, AGREE,
      "alg of another hash" },
    { "HS256", "{\"alg\":\"HS384\"}", JOSE_PAYLOAD, AGREE,
      "alg of another hash, HMAC" },
    { "ES256", "{\"alg\":\"none\"}", JOSE_PAYLOAD, AGREE, "none, with a key" },
    { "ES256", "{\"alg\":\"XX256\"}", JOSE_PAYLOAD, AGREE, "an unknown alg" },
    { "ES256", "{\"typ\":\"JWT\"}", JOSE_PAYLOAD, AGREE, "no alg" },
    { "ES256", "[]", JOSE_PAYLOAD, AGREE, "a header that is no object" },
    { "ES256", "{\"alg\":\"ES256\"", JOSE_PAYLOAD, AGREE,
      "a header that is no JSON" },

    { "PS256", "{\"alg\":\"PS256\"}", JOSE_PAYLOAD, EITHER,
      "PS* is in no libjwt below 3" },
    { "EdDSA", "{\"alg\":\"EdDSA\"}", JOSE_PAYLOAD, EITHER,
      "EdDSA is in libjwt from 1.18" },
    { "ES256", "{\"alg\":\"ES256\",\"typ\":\"at+jwt\"}", JOSE_PAYLOAD, EITHER,
      "libjwt below 1.15 knows typ JWT only" },
    { "ES256", "{\"alg\":\"es256\"}", JOSE_PAYLOAD, EITHER,
      "libjwt below 1.15 takes alg in any case" },
    { "ES256", "{\"alg\":\"ES256\"}", "plain text", WIDER,
      "a payload that is no JSON is the caller's affair" },

    { "ES256", "{\"alg\":\"ES256\",\"crit\":[\"b64\"],\"b64\":false}",
      JOSE_PAYLOAD, STRICTER, "libjwt does not look at crit" },
    { "ES256", "{\"alg\":\"ES256\",\"crit\":[\"x\"],\"x\":1}", JOSE_PAYLOAD,
      STRICTER, "libjwt does not look at crit" },
    { "ES256", "{\"alg\":\"RS256\",\"alg\":\"ES256\"}", JOSE_PAYLOAD, STRICTER,
      "libjwt takes the last of two members" }
};


static void
second_cases(void)
{
    size_t                i;
    oidc_str_t            token;
    const second_case_t  *row;

    for (i = 0; i < sizeof(second_rows) / sizeof(second_rows[0]); i++) {
        row = &second_rows[i];
        token = jose_token(row->sign, jose_key_of(row->sign), row->header,
                           row->payload);

        second_compare(row->sign, &token, row->expected,
                       row->why[0] ? row->why : row->header);
    }
}


/* bits of the signature and of the text, a cut, another payload */

static void
second_tampered(void)
{
    char         name[64], header[64];
    size_t       i, j, len;
    u_char       sig[1024];
    oidc_str_t   input, token;
    const char  *alg;

    for (i = 0; i < JOSE_NALGS; i++) {
        alg = jose_algs[i];

        if (alg[0] == 'P' || strcmp(alg, "EdDSA") == 0) {
            continue;
        }

        snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", alg);
        input = jose_input(header, JOSE_PAYLOAD);
        len = jose_sign(alg, jose_key_of(alg), 0, &input, sig, sizeof(sig));

        for (j = 0; j < 8; j++) {
            sig[j * (len - 1) / 7] ^= 1 << j;
            token = jose_attach(&input, sig, len);
            snprintf(name, sizeof(name), "%s, bit %zu of the signature", alg,
                     j * (len - 1) / 7 * 8 + j);
            second_compare(alg, &token, AGREE, name);
            sig[j * (len - 1) / 7] ^= 1 << j;
        }

        token = jose_attach(&input, sig, len - 1);
        snprintf(name, sizeof(name), "%s, signature cut", alg);
        second_compare(alg, &token, AGREE, name);

        input = jose_input(header, "{\"sub\":\"jim\"}");
        token = jose_attach(&input, sig, len);
        snprintf(name, sizeof(name), "%s, another payload", alg);
        second_compare(alg, &token, AGREE, name);
    }
}


/* what an RSA key's PEM is worth as a secret: the reason for our tables */

static void
second_confusion(void)
{
    jose_key_t  key;
    oidc_str_t  token;

    key.secret = second_public(jose_rsa.pkey);
    token = jose_token("HS256", &key, "{\"alg\":\"HS256\"}", JOSE_PAYLOAD);

    second_compare("RS256", &token, STRICTER,
                   "libjwt takes a public key for a secret");

    token = jose_token("ES256", &jose_p256,
                       "{\"alg\":\"ES384\",\"kid\":\"ec\"}", JOSE_PAYLOAD);
    second_compare("ES256", &token, AGREE, "ES256 that says ES384");

    token = jose_token("ES384", &jose_p256,
                       "{\"alg\":\"ES384\",\"kid\":\"ec\"}", JOSE_PAYLOAD);
    second_compare("ES256", &token, STRICTER,
                   "libjwt takes ES384 by a P-256 key");
}


static void
second_compare(const char *alg, const oidc_str_t *token, second_e expected,
    const char *name)
{
    int       ours, theirs;
    second_e  got;

    ours = jose_verify(token, JOSE_ALL) == OIDC_OK;
    theirs = second_libjwt(alg, token);
    got = ours == theirs ? AGREE : ours ? WIDER : STRICTER;

    if (!ok(got == expected || expected == EITHER, "V06 libjwt: %s", name)) {
        diag("we %s it, libjwt %s it", ours ? "take" : "refuse",
             theirs ? "takes" : "refuses");
    }
}


/* with the key for "alg"; the token is short, or libjwt would overflow */

static int
second_libjwt(const char *alg, const oidc_str_t *token)
{
    int          rc;
    jwt_t       *jwt;
    oidc_str_t   key;
    oidc_str_t   text;

    key = alg[0] == 'H' ? jose_hs.secret
                        : second_public(jose_key_of(alg)->pkey);

    (void) oidc_str_dup(tap_pool(), token, &text);

    jwt = NULL;
    rc = jwt_decode(&jwt, (char *) text.data, key.data, (int) key.len);
    jwt_free(jwt);

    ERR_clear_error();

    return rc == 0;
}


static oidc_str_t
second_public(EVP_PKEY *pkey)
{
    BIO         *bio;
    char        *data;
    oidc_str_t   pem, out;

    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PUBKEY(bio, pkey);
    pem.len = BIO_get_mem_data(bio, &data);
    pem.data = (u_char *) data;
    (void) oidc_str_dup(tap_pool(), &pem, &out);
    BIO_free(bio);

    return out;
}


#endif /* SECOND_OPINION */


int
main(void)
{
#ifdef SECOND_OPINION

    jose_setup();

    second_cases();
    second_tampered();
    second_confusion();

    jose_done();

#else

    skip("this libjwt has no jwt_decode()");

#endif

    return done_testing();
}
