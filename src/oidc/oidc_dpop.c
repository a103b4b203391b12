
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Checks DPoP proofs (RFC 9449 section 4.3).  Decides everything about a proof
 * but whether it was seen before, for which it keeps no memory.
 */


#include <string.h>

#include "oidc_b64.h"
#include "oidc_dpop.h"
#include "oidc_json.h"
#include "oidc_seal.h"
#include "oidc_url.h"


#define OIDC_DPOP_ID_MAX  (43 + OIDC_DPOP_JTI_MAX)


static oidc_rc_t oidc_dpop_key(oidc_pool_t *pool, const oidc_str_t *proof,
    oidc_key_t *key);
static oidc_rc_t oidc_dpop_verify(oidc_pool_t *pool, const oidc_str_t *proof,
    const oidc_key_t *key, unsigned algs, json_t **claims);
static oidc_rc_t oidc_dpop_claims(const json_t *claims,
    const oidc_dpop_expect_t *expect, oidc_dpop_t *dpop);
static oidc_rc_t oidc_dpop_request(const json_t *claims,
    const oidc_dpop_expect_t *expect);
static int oidc_dpop_same_path(const oidc_str_t *a, const oidc_str_t *b);
static int oidc_dpop_char(const u_char **p, const u_char *end);
static oidc_rc_t oidc_dpop_ath(const json_t *claims,
    const oidc_str_t *token);
static oidc_rc_t oidc_dpop_id(const json_t *claims, oidc_dpop_t *dpop);


static const char *const  oidc_dpop_typs[] = { "dpop+jwt", NULL };


/* private or symmetric, none of which a proof may carry */

static const char *const  oidc_dpop_private[] = {
    "d", "p", "q", "dp", "dq", "qi", "oth", "k", NULL
};


oidc_rc_t
oidc_dpop_check(oidc_pool_t *pool, const oidc_str_t *proof,
    const oidc_dpop_expect_t *expect, oidc_dpop_t *dpop)
{
    json_t      *claims;
    oidc_rc_t    rc;
    oidc_key_t   key;

    memset(dpop, 0, sizeof(oidc_dpop_t));

    if (proof->len == 0 || proof->len > OIDC_DPOP_MAX) {
        return OIDC_DPOP_PROOF;
    }

    rc = oidc_dpop_key(pool, proof, &key);
    if (rc != OIDC_OK) {
        return rc;
    }

    rc = oidc_dpop_verify(pool, proof, &key, expect->algs, &claims);

    if (rc == OIDC_OK) {
        rc = oidc_key_thumbprint(&key, dpop->jkt);

        if (rc == OIDC_OK) {
            rc = oidc_dpop_claims(claims, expect, dpop);
        }

        json_decref(claims);
    }

    oidc_key_free(&key);

    if (rc != OIDC_OK) {
        memset(dpop, 0, sizeof(oidc_dpop_t));
    }

    return rc;
}


/* the key in the header, which is not believed before it has verified */

static oidc_rc_t
oidc_dpop_key(oidc_pool_t *pool, const oidc_str_t *proof, oidc_key_t *key)
{
    size_t         i;
    u_char        *dot;
    json_t        *header;
    oidc_rc_t      rc;
    oidc_str_t     part, text;
    const json_t  *jwk;

    dot = memchr(proof->data, '.', proof->len);
    if (dot == NULL) {
        return OIDC_DPOP_PROOF;
    }

    part.data = proof->data;
    part.len = dot - proof->data;

    header = NULL;

    rc = oidc_b64url_decode(pool, &part, &text);

    if (rc == OIDC_OK) {
        rc = oidc_json_parse(&text, OIDC_DPOP_MAX, &header);
    }

    if (rc != OIDC_OK) {
        return rc == OIDC_NOMEM ? rc : OIDC_DPOP_PROOF;
    }

    jwk = json_object_get(header, "jwk");

    rc = json_object_get(header, "typ") != NULL && json_is_object(jwk)
         ? OIDC_OK : OIDC_DPOP_PROOF;

    for (i = 0; rc == OIDC_OK && oidc_dpop_private[i] != NULL; i++) {
        if (json_object_get(jwk, oidc_dpop_private[i]) != NULL) {
            rc = OIDC_DPOP_PROOF;
        }
    }

    if (rc == OIDC_OK) {
        rc = oidc_key_from_jwk(jwk, key);
        rc = (rc == OIDC_KEY) ? OIDC_DPOP_PROOF : rc;
    }

    json_decref(header);

    return rc;
}


static oidc_rc_t
oidc_dpop_verify(oidc_pool_t *pool, const oidc_str_t *proof,
    const oidc_key_t *key, unsigned algs, json_t **claims)
{
    oidc_rc_t          rc;
    oidc_jws_t         jws;
    oidc_jws_policy_t  policy;

    memset(&policy, 0, sizeof(oidc_jws_policy_t));

    policy.algs = algs & ~(unsigned) OIDC_HS_ALL;
    policy.key = key;
    policy.typs = oidc_dpop_typs;

    rc = oidc_jws_verify(pool, proof, &policy, &jws);

    if (rc == OIDC_OK) {
        json_decref(jws.header);
        rc = oidc_json_parse(&jws.payload, OIDC_DPOP_MAX, claims);
    }

    switch (rc) {

    case OIDC_OK:
    case OIDC_NOMEM:
    case OIDC_CRYPTO:
        return rc;

    case OIDC_JWS_SIGNATURE:
        return OIDC_DPOP_SIGNATURE;

    default:
        return OIDC_DPOP_PROOF;
    }
}


static oidc_rc_t
oidc_dpop_claims(const json_t *claims, const oidc_dpop_expect_t *expect,
    oidc_dpop_t *dpop)
{
    int64_t     iat;
    oidc_rc_t   rc;
    oidc_str_t  nonce;

    rc = oidc_dpop_request(claims, expect);

    if (rc == OIDC_OK) {
        rc = oidc_dpop_ath(claims, &expect->token);
    }

    if (rc != OIDC_OK) {
        return rc;
    }

    if (oidc_json_time(claims, "iat", &iat) != 1
        || iat > expect->now + expect->skew
        || iat < expect->now - OIDC_DPOP_WINDOW - expect->skew)
    {
        return OIDC_DPOP_TIME;
    }

    if (expect->nonce.len != 0
        && (oidc_json_str(claims, "nonce", &nonce) != 1
            || !oidc_str_eq_ct(&nonce, &expect->nonce)))
    {
        return OIDC_DPOP_NONCE;
    }

    /* the first second in which the proof is too old anyway */

    dpop->until = iat + OIDC_DPOP_WINDOW + expect->skew + 1;

    return oidc_dpop_id(claims, dpop);
}


/* RFC 9449 section 4.3: query and fragment do not count, the rest does */

static oidc_rc_t
oidc_dpop_request(const json_t *claims, const oidc_dpop_expect_t *expect)
{
    u_char      *p;
    oidc_str_t   htm, htu;
    oidc_url_t   theirs, ours;

    if (oidc_json_str(claims, "htm", &htm) != 1
        || !oidc_str_eq(&htm, &expect->method)
        || oidc_json_str(claims, "htu", &htu) != 1)
    {
        return OIDC_DPOP_REQUEST;
    }

    p = memchr(htu.data, '#', htu.len);

    if (p != NULL) {
        htu.len = p - htu.data;
    }

    return (oidc_url_parse(&htu, &theirs) == OIDC_OK
            && oidc_url_parse(&expect->url, &ours) == OIDC_OK
            && oidc_url_same_origin(&theirs, &ours)
            && oidc_dpop_same_path(&theirs.path, &ours.path))
           ? OIDC_OK : OIDC_DPOP_REQUEST;
}


/* "/" and "" alike, and escapes as RFC 3986 section 6.2.2 compares them */

static int
oidc_dpop_same_path(const oidc_str_t *a, const oidc_str_t *b)
{
    int            c;
    const u_char  *p, *q, *p_end, *q_end;

    static u_char  root[] = "/";

    p = a->len ? a->data : root;
    p_end = p + (a->len ? a->len : 1);

    q = b->len ? b->data : root;
    q_end = q + (b->len ? b->len : 1);

    do {
        c = oidc_dpop_char(&p, p_end);

        if (c != oidc_dpop_char(&q, q_end)) {
            return 0;
        }

    } while (c != -1);

    return 1;
}


/* the next character, -1 at the end; one that stays escaped is over 0xff */

static int
oidc_dpop_char(const u_char **p, const u_char *end)
{
    int  c;

    if (*p == end) {
        return -1;
    }

    if (**p != '%' || (c = oidc_url_hex(*p, end)) == -1) {
        return *(*p)++;
    }

    *p += 3;

    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
        || (c >= '0' && c <= '9')
        || c == '-' || c == '.' || c == '_' || c == '~')
    {
        return c;
    }

    return 0x100 | c;
}


static oidc_rc_t
oidc_dpop_ath(const json_t *claims, const oidc_str_t *token)
{
    u_char      hash[43];
    oidc_rc_t   rc;
    oidc_str_t  ath, expected;

    rc = oidc_sha256_b64url(token->data, token->len, hash);
    if (rc != OIDC_OK) {
        return rc;
    }

    expected.data = hash;
    expected.len = sizeof(hash);

    return (oidc_json_str(claims, "ath", &ath) == 1
            && oidc_str_eq_ct(&ath, &expected))
           ? OIDC_OK : OIDC_DPOP_TOKEN;
}


static oidc_rc_t
oidc_dpop_id(const json_t *claims, oidc_dpop_t *dpop)
{
    u_char      text[OIDC_DPOP_ID_MAX];
    oidc_str_t  jti;

    if (oidc_json_str(claims, "jti", &jti) != 1
        || jti.len == 0 || jti.len > OIDC_DPOP_JTI_MAX)
    {
        return OIDC_DPOP_PROOF;
    }

    memcpy(text, dpop->jkt, sizeof(dpop->jkt));
    memcpy(text + sizeof(dpop->jkt), jti.data, jti.len);

    return oidc_sha256(text, sizeof(dpop->jkt) + jti.len, dpop->id);
}
