
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * What the pure layer is made of: counted strings, memory and randomness as
 * parameters, a string builder, and the one list of everything that can go
 * wrong.  Nothing here or above it in src/oidc knows of nginx, asks for the
 * time or keeps state between calls; the fetched algorithms of oidc_seal.h are
 * the one exception.
 */


#ifndef _OIDC_BASE_H_INCLUDED_
#define _OIDC_BASE_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>


/* counted bytes; the layers above name their own type of this very shape */

#ifdef OIDC_STR

typedef OIDC_STR  oidc_str_t;

#else

typedef struct {
    size_t      len;
    u_char     *data;
} oidc_str_t;

#endif


#define oidc_string(lit)  { sizeof(lit) - 1, (u_char *) lit }


/*
 * Memory belongs to the pool's owner and is never freed piecewise.  alloc()
 * returns NULL when there is none, which callers answer with OIDC_NOMEM.
 */

typedef struct {
    void      *(*alloc)(void *owner, size_t size);
    void       *owner;
} oidc_pool_t;


/* fills "len" random bytes fit for keys; returns 1, or 0 on failure */

typedef int (*oidc_random_pt)(u_char *buf, size_t len);


/*
 * Every outcome that is not OIDC_OK: name in logs and $oidc_error, HTTP status
 * for whoever waits, and what the operator reads in the log.  4xx is the fault
 * of the one who asked, 5xx the provider's or ours; the client never learns
 * more than the status.  One row is one fact: the code, the log, the answers,
 * and the tests all draw on this table.
 */

#define OIDC_REASONS(X)                                                       \
    X(OIDC_OK,               "ok",                   200, "ok")               \
    /* the browser */                                                         \
    X(OIDC_ARGS,             "bad_arguments",        400,                     \
      "arguments malformed, repeated or too long")                            \
    X(OIDC_BODY,             "bad_body",             400,                     \
      "body that cannot be read")                                             \
    X(OIDC_BODY_SIZE,        "body_size",            413,                     \
      "a form of more than 64 KiB")                                           \
    X(OIDC_BODY_TYPE,        "body_type",            415,                     \
      "a body that is no form")                                               \
    X(OIDC_STATE_MISSING,    "state_missing",        400, "no state")         \
    X(OIDC_STATE_UNKNOWN,    "state_unknown",        400,                     \
      "state belongs to no login of this browser")                            \
    X(OIDC_STATE_EXPIRED,    "state_expired",        400,                     \
      "the login took longer than pre_auth_timeout")                          \
    X(OIDC_STATE_SPENT,      "state_spent",          400,                     \
      "state was used before")                                                \
    X(OIDC_CODE_MISSING,     "code_missing",         400, "no code")          \
    X(OIDC_ISS_MISSING,      "iss_missing",          400,                     \
      "no iss though the provider announces it (RFC 9207)")                   \
    X(OIDC_ISS_MISMATCH,     "iss_mismatch",         400,                     \
      "iss is not the provider's issuer (RFC 9207)")                          \
    X(OIDC_METHOD,           "method_not_allowed",   405,                     \
      "method not allowed")                                                   \
    X(OIDC_CROSS_SITE,       "cross_site",           403,                     \
      "cross-site request refused")                                           \
    X(OIDC_TARGET,           "bad_target",           400,                     \
      "target is not a path of this site")                                    \
    X(OIDC_HOST,             "bad_host",             400,                     \
      "no usable host to build our own address from")                         \
    /* the provider's answer to the browser */                                \
    X(OIDC_ACCESS_DENIED,    "access_denied",        403,                     \
      "provider: access denied")                                              \
    X(OIDC_LOGIN_REQUIRED,   "login_required",       403,                     \
      "provider: needs interaction with the user")                            \
    X(OIDC_PROVIDER_BUSY,    "provider_unavailable", 503,                     \
      "provider: temporarily unavailable")                                    \
    X(OIDC_PROVIDER_ERROR,   "provider_error",       502,                     \
      "provider answered with an error")                                      \
    /* calls to the provider */                                               \
    X(OIDC_FETCH,            "provider_unreachable", 502,                     \
      "provider unreachable or answer incomplete")                            \
    X(OIDC_FETCH_TIMEOUT,    "provider_timeout",     504,                     \
      "provider did not answer in time")                                      \
    X(OIDC_FETCH_SIZE,       "provider_answer_size", 502,                     \
      "provider's answer is larger than "                                     \
      "subrequest_output_buffer_size of its block")                           \
    X(OIDC_FETCH_STATUS,     "provider_status",      502,                     \
      "provider answered with an unexpected status")                          \
    X(OIDC_NOT_READY,        "provider_not_ready",   503,                     \
      "metadata or keys of the provider are not known yet")                   \
    X(OIDC_CONTENT_TYPE,     "content_type",         502,                     \
      "provider's answer has an unexpected Content-Type")                     \
    X(OIDC_JSON,             "bad_json",             502,                     \
      "not a JSON object within bounds")                                      \
    X(OIDC_META_ISSUER,      "metadata_issuer",      502,                     \
      "issuer of the metadata is not the configured one")                     \
    X(OIDC_META_MEMBER,      "metadata_member",      502,                     \
      "metadata lacks an endpoint, or one is malformed or not https")         \
    X(OIDC_JWKS,             "bad_jwks",             502,                     \
      "no JWK Set, or too many keys in it")                                   \
    X(OIDC_TOKEN_ERROR,      "token_error",          502,                     \
      "token endpoint refused")                                               \
    X(OIDC_TOKEN_MEMBER,     "token_member",         502,                     \
      "token answer lacks a member, or one has a wrong type")                 \
    X(OIDC_TOKEN_TYPE,       "token_type",           502,                     \
      "token_type is not Bearer")                                             \
    X(OIDC_PAR_ERROR,        "par_error",            502,                     \
      "pushed authorization request endpoint refused")                        \
    X(OIDC_PAR_MEMBER,       "par_member",           502,                     \
      "its answer lacks request_uri or expires_in")                           \
    X(OIDC_INTROSPECTION,    "introspection",        502,                     \
      "introspection answer lacks a member, or one has a wrong type")         \
    /* JOSE */                                                                \
    X(OIDC_JWS,              "jws_malformed",        502,                     \
      "not a compact JWS within bounds")                                      \
    X(OIDC_JWS_ALG,          "jws_alg",              502,                     \
      "alg is not among the configured ones")                                 \
    X(OIDC_JWS_CRIT,         "jws_crit",             502,                     \
      "crit or b64 in the header")                                            \
    X(OIDC_JWS_TYP,          "jws_typ",              502,                     \
      "typ says that this is another kind of token")                          \
    X(OIDC_JWS_KID,          "jws_kid",              502,                     \
      "no key of the provider has this kid")                                  \
    X(OIDC_JWS_KEY,          "jws_key",              502,                     \
      "no key of the provider fits")                                          \
    X(OIDC_JWS_SIGNATURE,    "jws_signature",        502,                     \
      "signature does not verify")                                            \
    X(OIDC_JWE,              "jwe_malformed",        502,                     \
      "not a compact JWE within bounds, or crit or zip in its header")        \
    X(OIDC_JWE_ALG,          "jwe_alg",              502,                     \
      "alg of the JWE is not among the configured ones")                      \
    X(OIDC_JWE_ENC,          "jwe_enc",              502,                     \
      "enc of the JWE is not among the configured ones")                      \
    X(OIDC_JWE_KEY,          "jwe_key",              502,                     \
      "no key of ours fits the JWE, or too many do")                          \
    X(OIDC_JWE_DECRYPT,      "jwe_decrypt",          502,                     \
      "JWE does not decrypt")                                                 \
    X(OIDC_JWE_PLAIN,        "jwe_plain",            502,                     \
      "token is not encrypted though it is configured to be")                 \
    X(OIDC_JWE_NESTED,       "jwe_nested",           502,                     \
      "cty, iss, aud or sub of the JWE is not that of the JWT inside")        \
    X(OIDC_KEY,              "bad_key",              500,                     \
      "key malformed, weak or of an unsupported kind")                        \
    /* claims */                                                              \
    X(OIDC_CLAIM_ISS,        "claim_iss",            502,                     \
      "iss missing or not the configured issuer")                             \
    X(OIDC_CLAIM_AUD,        "claim_aud",            502,                     \
      "aud missing, without our client_id, or with others not trusted")       \
    X(OIDC_CLAIM_AZP,        "claim_azp",            502,                     \
      "azp is not our client_id")                                             \
    X(OIDC_CLAIM_SUB,        "claim_sub",            502,                     \
      "sub missing, empty, too long or another than expected")                \
    X(OIDC_CLAIM_EXP,        "claim_exp",            502,                     \
      "exp missing or past")                                                  \
    X(OIDC_CLAIM_IAT,        "claim_iat",            502,                     \
      "iat missing or in the future")                                         \
    X(OIDC_CLAIM_NBF,        "claim_nbf",            502,                     \
      "nbf malformed or in the future")                                       \
    X(OIDC_CLAIM_NONCE,      "claim_nonce",          502,                     \
      "nonce missing or not ours, or in a logout token")                      \
    X(OIDC_CLAIM_AT_HASH,    "claim_at_hash",        502,                     \
      "at_hash does not match the access token")                              \
    X(OIDC_CLAIM_EVENTS,     "claim_events",         502,                     \
      "events says that this is another kind of token")                       \
    X(OIDC_CLAIM_AUTH_TIME,  "claim_auth_time",      502,                     \
      "auth_time is not that of the login")                                   \
    X(OIDC_CLAIM_SID,        "claim_sid",            502,                     \
      "sid is not that of the login")                                         \
    X(OIDC_CLAIM_JTI,        "claim_jti",            400,                     \
      "jti missing, empty or too long")                                       \
    X(OIDC_CLAIM_SUBJECT,    "claim_subject",        400,                     \
      "neither sub nor sid, or sid empty")                                    \
    X(OIDC_LOGOUT_REPLAY,    "logout_replay",        400,                     \
      "logout token was used before")                                         \
    X(OIDC_CLAIM_TYPE,       "claim_type",           502,                     \
      "a claim has the wrong type")                                           \
    /* bearer tokens */                                                       \
    X(OIDC_BEARER_MISSING,   "bearer_missing",       401,                     \
      "no access token")                                                      \
    X(OIDC_BEARER_MALFORMED, "bearer_malformed",     400,                     \
      "Authorization or its token malformed, repeated or too long")           \
    X(OIDC_BEARER_TOKEN,     "bearer_token",         401,                     \
      "access token refused")                                                 \
    X(OIDC_BEARER_INACTIVE,  "bearer_inactive",      401,                     \
      "provider says that the access token is not active")                    \
    X(OIDC_BEARER_EXPIRED,   "bearer_expired",       401,                     \
      "access token is past its exp, or before its nbf")                      \
    X(OIDC_BEARER_AUDIENCE,  "bearer_audience",      401,                     \
      "access token is not meant for us")                                     \
    X(OIDC_BEARER_BINDING,   "bearer_binding",       401,                     \
      "access token is bound to a key or certificate that was not shown")     \
    X(OIDC_BEARER_SCOPE,     "bearer_scope",         403,                     \
      "access token lacks a scope")                                           \
    X(OIDC_BEARER_CALLER,    "bearer_caller",        403,                     \
      "access token names no caller, or one that is not on the list")         \
    X(OIDC_BEARER_BUSY,      "bearer_busy",          503,                     \
      "too many introspection calls at once")                                 \
    X(OIDC_DPOP_PROOF,       "dpop_proof",           401,                     \
      "DPoP proof missing or malformed, or its typ, alg, jwk or jti is")      \
    X(OIDC_DPOP_SIGNATURE,   "dpop_signature",       401,                     \
      "DPoP proof does not verify")                                           \
    X(OIDC_DPOP_REQUEST,     "dpop_request",         401,                     \
      "DPoP proof is for another method or URL")                              \
    X(OIDC_DPOP_TOKEN,       "dpop_token",           401,                     \
      "DPoP proof is for another access token")                               \
    X(OIDC_DPOP_TIME,        "dpop_time",            401,                     \
      "DPoP proof is too old or from the future")                             \
    X(OIDC_DPOP_NONCE,       "dpop_nonce",           401,                     \
      "DPoP proof lacks our nonce")                                           \
    X(OIDC_DPOP_REPLAY,      "dpop_replay",          401,                     \
      "DPoP proof was used before")                                           \
    /* sessions and ourselves */                                              \
    X(OIDC_SEAL,             "seal",                 400,                     \
      "sealed value does not open")                                           \
    X(OIDC_SESSION_VERSION,  "session_version",      401,                     \
      "session record of another version")                                    \
    X(OIDC_SESSION_EXPIRED,  "session_expired",      401,                     \
      "session is over")                                                      \
    X(OIDC_REFRESH_LOST,     "refresh_lost",         401,                     \
      "the access token is over, the answer to its refresh was lost")         \
    X(OIDC_SESSION_PROVIDER, "session_provider",     401,                     \
      "session of another provider")                                          \
    X(OIDC_SESSION_SIZE,     "session_size",         503,                     \
      "session is larger than its store takes")                               \
    X(OIDC_STORE,            "store",                503,                     \
      "session store unavailable")                                            \
    X(OIDC_BUSY,             "busy",                 503,                     \
      "too many tokens are being decrypted at once")                          \
    X(OIDC_SPENT_FULL,       "spent_states_full",    503,                     \
      "table of spent states is full")                                        \
    X(OIDC_ACR,              "acr",                  403,                     \
      "acr is none of acr_values")                                            \
    X(OIDC_AUTH_TIME,        "auth_time",            403,                     \
      "auth_time is missing or longer ago than max_age")                      \
    X(OIDC_ESSENTIAL,        "essential_claim",      403,                     \
      "a claim asked for as essential is missing or has another value")       \
    X(OIDC_REQUIRED,         "requirement",          403,                     \
      "auth_oidc_require is not met")                                         \
    X(OIDC_REQUIRED_401,     "requirement_401",      401,                     \
      "auth_oidc_require with error=401 is not met")                          \
    X(OIDC_NO_PROVIDER,      "no_provider",          500,                     \
      "auth_oidc names no provider")                                          \
    X(OIDC_CRYPTO,           "crypto",               500,                     \
      "a cryptographic operation failed")                                     \
    X(OIDC_NOMEM,            "no_memory",            500, "out of memory")


typedef enum {
#define OIDC_REASON_ENUM(id, name, status, text)  id,
    OIDC_REASONS(OIDC_REASON_ENUM)
#undef OIDC_REASON_ENUM
    OIDC_REASON_MAX
} oidc_rc_t;


const char *oidc_rc_name(oidc_rc_t rc);
const char *oidc_rc_text(oidc_rc_t rc);
int oidc_rc_status(oidc_rc_t rc);


/* a != b takes as long as a == b for equal lengths; lengths are no secret */

int oidc_eq_ct(const void *a, const void *b, size_t len);
int oidc_str_eq_ct(const oidc_str_t *a, const oidc_str_t *b);
int oidc_str_eq(const oidc_str_t *a, const oidc_str_t *b);
int oidc_str_eq_cstr(const oidc_str_t *a, const char *b);

/* overwrites; the compiler may not remove it */

void oidc_wipe(void *p, size_t len);

/* 32 bits, big endian; returns what is behind them */

static inline u_char *
oidc_put_u32(u_char *p, uint32_t n)
{
    *p++ = (u_char) (n >> 24);
    *p++ = (u_char) (n >> 16);
    *p++ = (u_char) (n >> 8);
    *p++ = (u_char) n;

    return p;
}


static inline uint32_t
oidc_get_u32(const u_char *p)
{
    return (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16
           | (uint32_t) p[2] << 8 | p[3];
}


void *oidc_palloc(oidc_pool_t *pool, size_t size);

/* a copy in the pool with a NUL behind its last byte, not counted in len */

oidc_rc_t oidc_str_dup(oidc_pool_t *pool, const oidc_str_t *src,
    oidc_str_t *dst);


/*
 * A string that grows in a pool.  After a failed allocation the builder takes
 * nothing more and oidc_buf_done() returns OIDC_NOMEM: check once, at the end.
 */

typedef struct {
    oidc_pool_t  *pool;
    u_char       *data;
    size_t        len;
    size_t        cap;
    unsigned      failed:1;
} oidc_buf_t;


void oidc_buf_init(oidc_buf_t *b, oidc_pool_t *pool, size_t cap);
void oidc_buf_add(oidc_buf_t *b, const void *data, size_t len);
void oidc_buf_cstr(oidc_buf_t *b, const char *s);
void oidc_buf_str(oidc_buf_t *b, const oidc_str_t *s);
oidc_rc_t oidc_buf_done(oidc_buf_t *b, oidc_str_t *out);


#endif /* _OIDC_BASE_H_INCLUDED_ */
