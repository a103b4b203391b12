
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Reads a discovery document (OpenID Connect Discovery 1.0 sections 3 and 4.3,
 * RFC 8414 section 3.3).  Decides whether a provider can be used at all; never
 * follows or fetches anything.  Unknown members are ignored, known ones of a
 * wrong type spoil the document: half-understood metadata would be a silent
 * downgrade.
 */


#include <string.h>

#include "oidc_json.h"
#include "oidc_metadata.h"
#include "oidc_url.h"


typedef struct {
    const char   *name;
    size_t        offset;
    size_t        mtls;
    int           required;
} oidc_endpoint_t;


typedef struct {
    const char          *name;
    oidc_client_auth_e   auth;
} oidc_auth_name_t;


typedef struct {
    const char   *name;
    size_t        offset;
} oidc_auth_methods_t;


static oidc_rc_t oidc_metadata_endpoint(oidc_pool_t *pool, const json_t *doc,
    const oidc_endpoint_t *ep, int allow_http, const oidc_metadata_t *fixed,
    oidc_metadata_t *metadata);
static oidc_rc_t oidc_metadata_member(const json_t *object, const char *name,
    oidc_str_t *text);
static oidc_rc_t oidc_metadata_url_check(oidc_pool_t *pool,
    const oidc_str_t *text, int allow_http, oidc_str_t *dst);
static oidc_rc_t oidc_metadata_features(const json_t *doc,
    oidc_metadata_t *metadata);
static unsigned oidc_metadata_auth(const json_t *doc, const char *name);
static int oidc_metadata_flag(const json_t *doc, const char *name,
    oidc_rc_t *rc);
static const json_t *oidc_metadata_list(const json_t *doc, const char *name,
    oidc_rc_t *rc);


static const oidc_endpoint_t  oidc_metadata_endpoints[] = {
#define OIDC_ENDPOINT_ROW(name, required)                                     \
    { #name, offsetof(oidc_metadata_t, name),                                 \
      offsetof(oidc_metadata_t, mtls.name), required },
    OIDC_ENDPOINTS(OIDC_ENDPOINT_ROW)
#undef OIDC_ENDPOINT_ROW
    { NULL, 0, 0, 0 }
};


/* OpenID Connect Core 9, RFC 8705 section 2 */

static const oidc_auth_name_t  oidc_metadata_auths[] = {
    { "client_secret_basic", OIDC_CLIENT_SECRET_BASIC },
    { "client_secret_post", OIDC_CLIENT_SECRET_POST },
    { "client_secret_jwt", OIDC_CLIENT_SECRET_JWT },
    { "private_key_jwt", OIDC_CLIENT_PRIVATE_KEY_JWT },
    { "tls_client_auth", OIDC_CLIENT_TLS },
    { "self_signed_tls_client_auth", OIDC_CLIENT_TLS },
    { "none", OIDC_CLIENT_NONE },
    { NULL, OIDC_CLIENT_AUTO }
};


/* the other endpoints are like the token endpoint unless they say otherwise */

static const oidc_auth_methods_t  oidc_metadata_methods[] = {
    { "token_endpoint_auth_methods_supported",
      offsetof(oidc_metadata_t, token_auth) },
    { "introspection_endpoint_auth_methods_supported",
      offsetof(oidc_metadata_t, introspection_auth) },
    { "revocation_endpoint_auth_methods_supported",
      offsetof(oidc_metadata_t, revocation_auth) },
    { NULL, 0 }
};


oidc_rc_t
oidc_metadata_parse(oidc_pool_t *pool, const oidc_str_t *document,
    const oidc_str_t *issuer, int allow_http, const oidc_metadata_t *fixed,
    oidc_metadata_t *metadata)
{
    json_t                 *doc;
    oidc_rc_t               rc;
    oidc_str_t              iss;
    const oidc_endpoint_t  *ep;

    memset(metadata, 0, sizeof(oidc_metadata_t));

    doc = NULL;

    if (document->len != 0) {
        rc = oidc_json_parse(document, OIDC_METADATA_MAX, &doc);
        if (rc != OIDC_OK) {
            return rc;
        }

        if (issuer->len == 0
            || oidc_json_str(doc, "issuer", &iss) != 1
            || !oidc_str_eq(&iss, issuer))
        {
            rc = OIDC_META_ISSUER;
            goto done;
        }
    }

    if (doc != NULL
        && json_object_get(doc, "mtls_endpoint_aliases") != NULL
        && !json_is_object(json_object_get(doc, "mtls_endpoint_aliases")))
    {
        rc = OIDC_META_MEMBER;
        goto done;
    }

    for (ep = oidc_metadata_endpoints; ep->name != NULL; ep++) {
        rc = oidc_metadata_endpoint(pool, doc, ep, allow_http, fixed,
                                    metadata);
        if (rc != OIDC_OK) {
            goto done;
        }
    }

    rc = oidc_metadata_features(doc, metadata);

done:

    json_decref(doc);

    if (rc != OIDC_OK) {
        memset(metadata, 0, sizeof(oidc_metadata_t));
    }

    return rc;
}


oidc_rc_t
oidc_metadata_url(oidc_pool_t *pool, const oidc_str_t *issuer, oidc_str_t *url)
{
    oidc_buf_t  b;
    oidc_str_t  base;

    base = *issuer;

    if (base.len != 0 && base.data[base.len - 1] == '/') {
        base.len--;
    }

    oidc_buf_init(&b, pool, base.len + 40);
    oidc_buf_str(&b, &base);
    oidc_buf_cstr(&b, "/.well-known/openid-configuration");

    return oidc_buf_done(&b, url);
}


/* what is set by hand is called by whatever certificate */

static oidc_rc_t
oidc_metadata_endpoint(oidc_pool_t *pool, const json_t *doc,
    const oidc_endpoint_t *ep, int allow_http, const oidc_metadata_t *fixed,
    oidc_metadata_t *metadata)
{
    oidc_rc_t          rc;
    oidc_str_t         text, *dst, *mtls;
    const json_t      *aliases;
    const oidc_str_t  *set;

    dst = (oidc_str_t *) ((char *) metadata + ep->offset);
    mtls = (oidc_str_t *) ((char *) metadata + ep->mtls);

    if (fixed != NULL) {
        set = (const oidc_str_t *) ((const char *) fixed + ep->offset);

        if (set->len != 0) {
            rc = oidc_metadata_url_check(pool, set, allow_http, dst);
            *mtls = *dst;

            return rc;
        }
    }

    rc = oidc_metadata_member(doc, ep->name, &text);

    if (rc == OIDC_OK && text.len != 0) {
        rc = oidc_metadata_url_check(pool, &text, allow_http, dst);
    }

    if (rc != OIDC_OK || (text.len == 0 && ep->required)) {
        return rc != OIDC_OK ? rc : OIDC_META_MEMBER;
    }

    *mtls = *dst;

    aliases = json_object_get(doc, "mtls_endpoint_aliases");

    rc = oidc_metadata_member(aliases, ep->name, &text);

    if (rc == OIDC_OK && text.len != 0) {
        rc = oidc_metadata_url_check(pool, &text, allow_http, mtls);
    }

    return rc;
}


/* of len 0 where it is absent or null */

static oidc_rc_t
oidc_metadata_member(const json_t *object, const char *name, oidc_str_t *text)
{
    text->len = 0;

    if (json_object_get(object, name) == NULL
        || json_is_null(json_object_get(object, name)))
    {
        return OIDC_OK;
    }

    return (oidc_json_str(object, name, text) == 1 && text->len != 0)
           ? OIDC_OK : OIDC_META_MEMBER;
}


static oidc_rc_t
oidc_metadata_url_check(oidc_pool_t *pool, const oidc_str_t *text,
    int allow_http, oidc_str_t *dst)
{
    oidc_url_t  url;

    if (oidc_url_parse(text, &url) != OIDC_OK || (!url.https && !allow_http)) {
        return OIDC_META_MEMBER;
    }

    return oidc_str_dup(pool, text, dst);
}


static oidc_rc_t
oidc_metadata_features(const json_t *doc, oidc_metadata_t *metadata)
{
    size_t                       i;
    unsigned                    *bits;
    oidc_rc_t                    rc;
    oidc_str_t                   name;
    const json_t                *list, *value;
    const oidc_auth_methods_t   *methods;

    rc = OIDC_OK;

    list = oidc_metadata_list(doc, "id_token_signing_alg_values_supported",
                              &rc);

    for (i = 0; i < json_array_size(list); i++) {
        value = json_array_get(list, i);

        name.data = (u_char *) json_string_value(value);
        name.len = json_string_length(value);

        if (name.data != NULL) {
            metadata->id_token_algs |= oidc_jws_alg(&name);
        }
    }

    /* what the absent member stands for */

    metadata->token_auth = oidc_client_auth_bit(OIDC_CLIENT_SECRET_BASIC);

    for (methods = oidc_metadata_methods; methods->name != NULL; methods++) {
        bits = (unsigned *) ((char *) metadata + methods->offset);

        *bits = oidc_metadata_list(doc, methods->name, &rc) != NULL
                ? oidc_metadata_auth(doc, methods->name)
                : metadata->token_auth;
    }

    metadata->iss_parameter = oidc_metadata_flag(doc,
                    "authorization_response_iss_parameter_supported", &rc);
    metadata->par_required = oidc_metadata_flag(doc,
                    "require_pushed_authorization_requests", &rc);
    metadata->object_required = oidc_metadata_flag(doc,
                    "require_signed_request_object", &rc);

    return rc;
}


static unsigned
oidc_metadata_auth(const json_t *doc, const char *name)
{
    unsigned  i, bits;

    bits = 0;

    for (i = 0; oidc_metadata_auths[i].name != NULL; i++) {
        if (oidc_json_has(doc, name, oidc_metadata_auths[i].name)) {
            bits |= oidc_client_auth_bit(oidc_metadata_auths[i].auth);
        }
    }

    return bits;
}


static int
oidc_metadata_flag(const json_t *doc, const char *name, oidc_rc_t *rc)
{
    const json_t  *value;

    value = json_object_get(doc, name);

    if (value != NULL && !json_is_boolean(value)) {
        *rc = OIDC_META_MEMBER;
    }

    return json_is_true(value);
}


/* the array, or NULL where it is absent; *rc says that it is something else */

static const json_t *
oidc_metadata_list(const json_t *doc, const char *name, oidc_rc_t *rc)
{
    const json_t  *list;

    list = json_object_get(doc, name);

    if (list == NULL || json_is_null(list)) {
        return NULL;
    }

    if (!json_is_array(list)) {
        *rc = OIDC_META_MEMBER;
        return NULL;
    }

    return list;
}
