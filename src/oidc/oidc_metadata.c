
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
    int           required;
} oidc_endpoint_t;


static oidc_rc_t oidc_metadata_endpoint(oidc_pool_t *pool, const json_t *doc,
    const oidc_endpoint_t *ep, int allow_http, const oidc_metadata_t *fixed,
    oidc_metadata_t *metadata);
static oidc_rc_t oidc_metadata_features(const json_t *doc,
    oidc_metadata_t *metadata);
static const json_t *oidc_metadata_list(const json_t *doc, const char *name,
    oidc_rc_t *rc);


static const oidc_endpoint_t  oidc_metadata_endpoints[] = {
#define OIDC_ENDPOINT_ROW(name, required)                                     \
    { #name, offsetof(oidc_metadata_t, name), required },
    OIDC_ENDPOINTS(OIDC_ENDPOINT_ROW)
#undef OIDC_ENDPOINT_ROW
    { NULL, 0, 0 }
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


static oidc_rc_t
oidc_metadata_endpoint(oidc_pool_t *pool, const json_t *doc,
    const oidc_endpoint_t *ep, int allow_http, const oidc_metadata_t *fixed,
    oidc_metadata_t *metadata)
{
    oidc_str_t         text, *dst;
    oidc_url_t         url;
    const oidc_str_t  *set;

    text.len = 0;

    if (fixed != NULL) {
        set = (const oidc_str_t *) ((const char *) fixed + ep->offset);
        text = *set;
    }

    if (text.len == 0) {

        if (json_object_get(doc, ep->name) == NULL
            || json_is_null(json_object_get(doc, ep->name)))
        {
            return ep->required ? OIDC_META_MEMBER : OIDC_OK;
        }

        if (oidc_json_str(doc, ep->name, &text) != 1) {
            return OIDC_META_MEMBER;
        }
    }

    if (oidc_url_parse(&text, &url) != OIDC_OK || (!url.https && !allow_http)) {
        return OIDC_META_MEMBER;
    }

    dst = (oidc_str_t *) ((char *) metadata + ep->offset);

    return oidc_str_dup(pool, &text, dst);
}


static oidc_rc_t
oidc_metadata_features(const json_t *doc, oidc_metadata_t *metadata)
{
    size_t         i;
    oidc_rc_t      rc;
    oidc_str_t     name;
    const json_t  *list, *value;

    static const char  methods[] = "token_endpoint_auth_methods_supported";
    static const char  iss[] = "authorization_response_iss_parameter_supported";

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

    if (oidc_metadata_list(doc, methods, &rc) != NULL) {
        metadata->auth_basic = oidc_json_has(doc, methods,
                                             "client_secret_basic");
        metadata->auth_post = oidc_json_has(doc, methods,
                                            "client_secret_post");
        metadata->auth_none = oidc_json_has(doc, methods, "none");

    } else {
        /* what the absent member stands for */
        metadata->auth_basic = 1;
    }

    if (oidc_metadata_list(doc, "code_challenge_methods_supported", &rc)
        != NULL)
    {
        metadata->pkce_s256 = oidc_json_has(doc,
                                            "code_challenge_methods_supported",
                                            "S256");
    }

    value = json_object_get(doc, iss);

    if (value != NULL && !json_is_boolean(value)) {
        rc = OIDC_META_MEMBER;
    }

    metadata->iss_parameter = json_is_true(value);

    return rc;
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
