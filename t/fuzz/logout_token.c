
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Logout tokens: the input is the payload, signed here with HS256, so that
 * what lies behind the signature is reached.
 */


#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "arena.h"

#include "oidc_b64.h"
#include "oidc_logout.h"
#include "oidc_seal.h"


#define NOW     ((int64_t) 1800000000)
#define HEADER  "{\"alg\":\"HS256\",\"typ\":\"logout+jwt\"}"


static oidc_str_t fuzz_token(const uint8_t *data, size_t size);


static oidc_expect_t  fuzz_expect;


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    u_char               name[32];
    json_t              *claims;
    oidc_str_t           token;
    oidc_logout_token_t  out;

    if (oidc_crypto_init() != OIDC_OK) {
        abort();
    }

    fuzz_expect.issuer = fuzz_str("https://idp");
    fuzz_expect.client_id = fuzz_str("client");
    fuzz_expect.secret = fuzz_str("0123456789abcdef0123456789abcdef");
    fuzz_expect.algs = OIDC_HS256;
    fuzz_expect.now = NOW;
    fuzz_expect.skew = 30;

    token = fuzz_token(data, size);

    if (oidc_logout_token_check(fuzz_pool(), &token, &fuzz_expect, &out)
        == OIDC_OK)
    {
        fuzz_check(out.sid.len != 0 || out.sub.len != 0);
        fuzz_check(out.sub.len <= OIDC_SUB_MAX);
        fuzz_check(out.jti.len != 0 && out.jti.len <= OIDC_JTI_MAX);
        fuzz_check(out.until > NOW);
        fuzz_check(out.until <= NOW + OIDC_LOGOUT_LIFE + 60);

        fuzz_touch(&out.sid);
        fuzz_touch(&out.sub);
        fuzz_touch(&out.jti);

        fuzz_check(oidc_index_name((u_char *) HEADER, "sid", &out.jti,
                                   &out.sid, name)
                   == OIDC_OK);

        /* no logout token logs anybody in */

        fuzz_check(oidc_id_token_check(fuzz_pool(), &token, &fuzz_expect,
                                       &claims)
                   != OIDC_OK);
    }

    fuzz_done();

    return 0;
}


static oidc_str_t
fuzz_token(const uint8_t *data, size_t size)
{
    u_char      *p;
    u_char       mac[32];
    oidc_str_t   out;

    out.len = oidc_b64url_len(sizeof(HEADER) - 1) + oidc_b64url_len(size) + 2
              + 43;
    out.data = fuzz_alloc(NULL, out.len);

    p = oidc_b64url_encode_buf(out.data, (u_char *) HEADER,
                               sizeof(HEADER) - 1);
    *p++ = '.';
    p = oidc_b64url_encode_buf(p, data, size);

    HMAC(EVP_sha256(), fuzz_expect.secret.data, (int) fuzz_expect.secret.len,
         out.data, p - out.data, mac, NULL);

    *p++ = '.';
    (void) oidc_b64url_encode_buf(p, mac, sizeof(mac));

    return out;
}
