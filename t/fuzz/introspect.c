
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Introspection answers.  The first byte is the mode; JSON stands as it is, and
 * what would be signed is signed here with HS256, so that the claims behind the
 * signature are reached.  What passes goes through the rules too.
 */


#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "arena.h"

#include "oidc_access.h"
#include "oidc_b64.h"
#include "oidc_seal.h"


#define SECRET  "0123456789abcdef0123456789abcdef"
#define HEADER  "{\"alg\":\"HS256\",\"typ\":\"token-introspection+jwt\"}"


static oidc_str_t fuzz_sign(const char *header, const u_char *payload,
    size_t size);
static void fuzz_rules(const oidc_access_t *access);


static oidc_expect_t  fuzz_expect;


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    oidc_rc_t           rc;
    oidc_str_t          body, type;
    oidc_access_t       access;
    oidc_introspect_e   mode;

    if (size == 0) {
        return 0;
    }

    if (fuzz_expect.now == 0) {
        fuzz_check(oidc_crypto_init() == OIDC_OK);

        fuzz_expect.issuer = fuzz_str("https://idp");
        fuzz_expect.client_id = fuzz_str("client");
        fuzz_expect.secret = fuzz_str(SECRET);
        fuzz_expect.algs = OIDC_HS256;
        fuzz_expect.now = 1800000000;
        fuzz_expect.skew = 30;
    }

    mode = data[0] == 's' ? OIDC_INTROSPECT_SIGNED
           : data[0] == 'k' ? OIDC_INTROSPECT_JWT : OIDC_INTROSPECT_JSON;

    body = mode == OIDC_INTROSPECT_SIGNED
           ? fuzz_sign(HEADER, data + 1, size - 1)
           : fuzz_copy(data + 1, size - 1);

    type = fuzz_str(mode == OIDC_INTROSPECT_JWT
                    ? "application/json" : oidc_introspect_accept(mode));

    rc = oidc_introspect_check(fuzz_pool(), mode, 200, &type, &body,
                               &fuzz_expect, &access);

    fuzz_check((rc == OIDC_OK) == (access.claims != NULL));

    if (rc == OIDC_OK) {
        fuzz_check(json_object_get(access.claims, "exp") == NULL
                   || access.exp > fuzz_expect.now - 30);
        fuzz_rules(&access);
        json_decref(access.claims);
    }

    fuzz_check(ERR_peek_error() == 0);

    fuzz_done();

    return 0;
}


static void
fuzz_rules(const oidc_access_t *access)
{
    oidc_str_t  name, none = { 0, NULL }, caller;

    name = fuzz_str("client");

    (void) oidc_access_audience(access, &name, 1);
    (void) oidc_access_scope(access, &access->scope, 0);
    fuzz_check(oidc_access_scope(access, &access->scope, 1) == OIDC_OK);

    if (oidc_access_caller(access, "aud", NULL, 0, &caller) == OIDC_OK) {
        fuzz_touch(&caller);
    }

    fuzz_check((oidc_access_binding(access, &none, &none) == OIDC_OK)
               == !access->bound);
}


static oidc_str_t
fuzz_sign(const char *header, const u_char *payload, size_t size)
{
    u_char      *p;
    u_char       mac[32];
    oidc_str_t   out;

    out.len = oidc_b64url_len(strlen(header)) + oidc_b64url_len(size) + 2 + 43;
    out.data = fuzz_alloc(NULL, out.len);

    p = oidc_b64url_encode_buf(out.data, (u_char *) header, strlen(header));
    *p++ = '.';
    p = oidc_b64url_encode_buf(p, payload, size);

    HMAC(EVP_sha256(), SECRET, sizeof(SECRET) - 1, out.data, p - out.data,
         mac, NULL);

    *p++ = '.';
    (void) oidc_b64url_encode_buf(p, mac, sizeof(mac));

    return out;
}
