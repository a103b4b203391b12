
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The commands of jose that read a token: each hands it to the function that
 * the module itself asks, and prints what that lets through.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jose.h"


static int jose_expect(jose_options_t *options, jose_keys_t *keys,
    oidc_jwe_policy_t *jwe);
static int jose_print(json_t *claims);


int
jose_verify(jose_options_t *options, jose_keys_t *keys)
{
    oidc_rc_t          rc;
    oidc_jws_t         jws;
    oidc_str_t         token;
    oidc_jws_policy_t  policy;

    if (jose_own_jwks(keys) != OIDC_OK || !jose_read_token(&token)) {
        return jose_usage("a token on standard input is needed");
    }

    memset(&policy, 0, sizeof(oidc_jws_policy_t));

    policy.algs = options->algs;
    policy.jwks = keys->jwks;
    policy.secret = keys->secret;
    policy.typs = options->typs[0] != NULL ? options->typs : NULL;

    rc = oidc_jws_verify(&jose_pool, &token, &policy, &jws);
    if (rc != OIDC_OK) {
        return jose_refused(rc);
    }

    fwrite(jws.payload.data, 1, jws.payload.len, stdout);
    json_decref(jws.header);

    return 0;
}


/* a PEM goes by the kid that "jwk" shows, and does whatever it can */

int
jose_decrypt(jose_options_t *options, jose_keys_t *keys)
{
    oidc_rc_t          rc;
    oidc_jwe_t         jwe;
    oidc_key_t         own;
    oidc_str_t         token;
    oidc_jwe_policy_t  policy;

    if (options->jwe_algs == 0 || options->encs == 0) {
        return jose_usage("decrypt needs --alg and --enc");
    }

    if (!jose_read_token(&token)) {
        return jose_usage("a token on standard input is needed");
    }

    memset(&own, 0, sizeof(oidc_key_t));
    own.pkey = keys->own.pkey;
    own.kty = keys->own.kty;
    own.crv = keys->own.crv;
    own.kid = keys->own.kid;

    memset(&policy, 0, sizeof(oidc_jwe_policy_t));
    policy.algs = options->jwe_algs;
    policy.encs = options->encs;
    policy.keys = own.pkey != NULL ? &own : keys->private;
    policy.n = own.pkey != NULL ? 1 : keys->private_n;

    rc = oidc_jwe_decrypt(&jose_pool, &token, &policy, &jwe);
    if (rc != OIDC_OK) {
        return jose_refused(rc);
    }

    fwrite(jwe.plaintext.data, 1, jwe.plaintext.len, stdout);
    json_decref(jwe.header);

    return 0;
}


int
jose_jwk(jose_options_t *options, jose_keys_t *keys)
{
    size_t       i, n;
    u_char       thumbprint[43];
    oidc_key_t  *own;
    oidc_rc_t    rc;
    oidc_str_t   text;

    n = keys->jwks != NULL ? oidc_jwks_count(keys->jwks) : 1;

    own = oidc_palloc(&jose_pool, n * sizeof(oidc_key_t) + 1);
    if (own == NULL) {
        return jose_refused(OIDC_NOMEM);
    }

    for (i = 0; i < n; i++) {
        own[i] = keys->jwks != NULL ? *oidc_jwks_key(keys->jwks, i)
                                    : keys->own;

        if (options->thumbprint) {
            rc = oidc_key_thumbprint(&own[i], thumbprint);
            if (rc != OIDC_OK) {
                return jose_refused(rc);
            }

            printf("%.*s\n", (int) sizeof(thumbprint), thumbprint);
        }
    }

    if (options->thumbprint) {
        return 0;
    }

    rc = oidc_jwks_render(&jose_pool, own, n, &text);
    if (rc != OIDC_OK) {
        return jose_refused(rc);
    }

    printf("%.*s\n", (int) text.len, text.data);

    return 0;
}


int
jose_id_token(jose_options_t *options, jose_keys_t *keys)
{
    json_t         *claims;
    oidc_rc_t       rc;
    oidc_str_t      token;
    oidc_expect_t  *expect;

    expect = &options->expect;

    if (expect->issuer.len == 0 || expect->client_id.len == 0
        || !options->has_nonce)
    {
        return jose_usage("id-token needs --issuer, --client-id and --nonce");
    }

    if (jose_own_jwks(keys) != OIDC_OK || !jose_read_token(&token)) {
        return jose_usage("a token on standard input is needed");
    }

    expect->jwks = keys->jwks;
    expect->secret = keys->secret;
    expect->algs = options->algs;
    expect->trusted_audience = &options->audience;
    expect->trusted_audience_n = options->audience.len ? 1 : 0;

    rc = oidc_id_token_check(&jose_pool, &token, expect, &claims);
    if (rc != OIDC_OK) {
        return jose_refused(rc);
    }

    return jose_print(claims);
}


/* the answer of the media type that the mode asks for, unless it is named */

int
jose_introspection(jose_options_t *options, jose_keys_t *keys)
{
    oidc_rc_t           rc;
    oidc_str_t          body, type;
    oidc_access_t       access;
    oidc_jwe_policy_t   jwe;

    if (!options->has_mode
        || options->expect.issuer.len == 0
        || options->expect.client_id.len == 0)
    {
        return jose_usage("introspection needs --mode, --issuer and"
                          " --client-id");
    }

    if (!jose_expect(options, keys, &jwe) || !jose_read_token(&body)) {
        return jose_usage("an answer on standard input is needed");
    }

    type = options->content_type;

    if (type.len == 0) {

        /* Keycloak says application/json to application/jwt */

        type.data = (u_char *) (options->mode == OIDC_INTROSPECT_JWT
                                ? "application/json"
                                : oidc_introspect_accept(options->mode));
        type.len = strlen((char *) type.data);
    }

    rc = oidc_introspect_check(&jose_pool, options->mode, 200, &type, &body,
                               &options->expect, &access);

    return rc == OIDC_OK ? jose_print(access.claims) : jose_refused(rc);
}


int
jose_access_token(jose_options_t *options, jose_keys_t *keys)
{
    oidc_rc_t           rc, why;
    oidc_str_t          token;
    oidc_access_t       access;
    oidc_jwe_policy_t   jwe;

    if (options->expect.issuer.len == 0 || options->audience.len == 0) {
        return jose_usage("access-token needs --issuer and --audience");
    }

    if (!jose_expect(options, keys, &jwe) || !jose_read_token(&token)) {
        return jose_usage("a token on standard input is needed");
    }

    rc = oidc_access_jwt_check(&jose_pool, &token, &options->expect,
                               &options->audience, 1, options->strict,
                               &access, &why);

    return rc == OIDC_OK ? jose_print(access.claims) : jose_refused(why);
}


/* prints the thumbprint that an access token must be bound to */

int
jose_dpop(jose_options_t *options, jose_keys_t *keys)
{
    oidc_rc_t            rc;
    oidc_str_t           token;
    oidc_dpop_t          dpop;
    oidc_dpop_expect_t  *proof;

    (void) keys;

    proof = &options->proof;

    if (proof->method.len == 0
        || proof->url.len == 0
        || options->expect.access_token.len == 0)
    {
        return jose_usage("dpop needs --method, --url and --access-token");
    }

    if (!jose_read_token(&token)) {
        return jose_usage("a proof on standard input is needed");
    }

    proof->token = options->expect.access_token;
    proof->nonce = options->expect.nonce;
    proof->algs = options->algs;
    proof->now = options->expect.now;
    proof->skew = options->expect.skew;

    rc = oidc_dpop_check(&jose_pool, &token, proof, &dpop);
    if (rc != OIDC_OK) {
        return jose_refused(rc);
    }

    printf("%.*s\n", (int) sizeof(dpop.jkt), dpop.jkt);

    return 0;
}


/* encrypted where --enc says so; 0 where the keys cannot be had */

static int
jose_expect(jose_options_t *options, jose_keys_t *keys, oidc_jwe_policy_t *jwe)
{
    oidc_expect_t  *expect;

    if (jose_own_jwks(keys) != OIDC_OK) {
        return 0;
    }

    memset(jwe, 0, sizeof(oidc_jwe_policy_t));

    jwe->algs = options->jwe_algs;
    jwe->encs = options->encs;
    jwe->keys = keys->private;
    jwe->n = keys->private_n;

    expect = &options->expect;
    expect->jwks = keys->jwks;
    expect->secret = keys->secret;
    expect->algs = options->algs;
    expect->jwe = options->encs != 0 ? jwe : NULL;

    return 1;
}


static int
jose_print(json_t *claims)
{
    char  *text;

    text = json_dumps(claims, JSON_COMPACT);

    if (text != NULL) {
        puts(text);
    }

    free(text);
    json_decref(claims);

    return 0;
}
