
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The commands of jose that sign, as the module signs what it sends: with our
 * own key, or with a secret where the set has no private one.
 */


#include <stdio.h>
#include <string.h>

#include "oidc_par.h"
#include "oidc_seal.h"
#include "oidc_sign.h"
#include "oidc_url.h"

#include "jose.h"


static const oidc_key_t *jose_sign_key(jose_options_t *options,
    jose_keys_t *keys);
static int jose_sign_client(jose_options_t *options, jose_keys_t *keys,
    oidc_client_t *client);
static int jose_print_text(oidc_rc_t rc, const oidc_str_t *text);


int
jose_sign(jose_options_t *options, jose_keys_t *keys)
{
    oidc_rc_t       rc;
    oidc_str_t      payload, token;
    oidc_signer_t   signer;

    if (!jose_read_input(&payload)) {
        return jose_usage("standard input is too large");
    }

    memset(&signer, 0, sizeof(oidc_signer_t));

    signer.key = jose_sign_key(options, keys);
    signer.secret = keys->secret;
    signer.typ = options->typs[0];

    if (signer.key == NULL
        && options->alg.len != 0 && options->algs != OIDC_HS256)
    {
        return jose_refused(OIDC_KEY);
    }

    rc = oidc_jws_sign(&jose_pool, &signer, &payload, &token);

    return jose_print_text(rc, &token);
}


/* the client_assertion of a form */

int
jose_assertion(jose_options_t *options, jose_keys_t *keys)
{
    oidc_rc_t       rc;
    oidc_str_t      rest, name, value;
    oidc_form_t     form;
    oidc_client_t   client;

    static const oidc_form_arg_t  none = { NULL, { 0, NULL } };

    if (!jose_sign_client(options, keys, &client)) {
        return jose_usage("assertion needs --client-id and --audience");
    }

    rc = oidc_form(&jose_pool, &client, NULL, &none, &form);
    if (rc != OIDC_OK) {
        return jose_refused(rc);
    }

    rest = form.body;

    while (oidc_args_next(&rest, &name, &value)) {
        if (oidc_str_eq_cstr(&name, "client_assertion")) {
            return jose_print_text(OIDC_OK, &value);
        }
    }

    return jose_refused(OIDC_ARGS);
}


int
jose_request_object(jose_options_t *options, jose_keys_t *keys)
{
    oidc_rc_t       rc;
    oidc_str_t      object;
    oidc_client_t   client;

    if (!jose_sign_client(options, keys, &client)) {
        return jose_usage("request-object needs --client-id and --audience");
    }

    options->authz.client_id = client.id;
    options->authz.nonce = options->expect.nonce;

    if (!jose_read_input(&options->authz.extra)) {
        return jose_usage("standard input is too large");
    }

    rc = oidc_authz_object(&jose_pool, &options->authz, &client, &object);

    return jose_print_text(rc, &object);
}


/* NULL: there is none, the secret signs */

static const oidc_key_t *
jose_sign_key(jose_options_t *options, jose_keys_t *keys)
{
    if (keys->own.pkey != NULL) {
        return &keys->own;
    }

    if (keys->private_n == 0) {
        return NULL;
    }

    if (options->alg.len != 0) {
        keys->signer = keys->private[0];
        keys->signer.alg = options->alg;
        return &keys->signer;
    }

    return &keys->private[0];
}


static int
jose_sign_client(jose_options_t *options, jose_keys_t *keys,
    oidc_client_t *client)
{
    memset(client, 0, sizeof(oidc_client_t));

    client->key = jose_sign_key(options, keys);
    client->auth = client->key != NULL ? OIDC_CLIENT_PRIVATE_KEY_JWT
                                       : OIDC_CLIENT_SECRET_JWT;
    client->id = options->expect.client_id;
    client->secret = keys->secret;
    client->audience = options->audience;
    client->random = oidc_random;
    client->now = options->expect.now;

    return client->id.len != 0 && client->audience.len != 0;
}


static int
jose_print_text(oidc_rc_t rc, const oidc_str_t *text)
{
    if (rc != OIDC_OK) {
        return jose_refused(rc);
    }

    printf("%.*s\n", (int) text->len, text->data);

    return 0;
}
