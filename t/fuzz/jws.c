
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Compact JWS.  With a zero byte in it the input is a header and a payload,
 * which are signed here with HS256, so that what lies behind the signature is
 * reached too; else it is a token, for keys of which the RFCs' examples are.
 */


#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "arena.h"

#include "oidc_b64.h"
#include "oidc_jws.h"


static oidc_str_t fuzz_token(const uint8_t *data, const uint8_t *zero,
    size_t size);


/* RFC 7515 A.2 to A.4, RFC 8037 A.2 */

static const char  fuzz_keys[] =
    "{\"keys\":[{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiu"
    "Sfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL"
    "-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kp"
    "aSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb"
    "3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk"
    "2PAcDTW9gb54h4FRWyuXpoQ\"},{\"kty\":\"EC\",\"crv\":\"P-256\","
    "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"},"
    "{\"kty\":\"EC\",\"crv\":\"P-521\",\"x\":\"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJX"
    "mPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk\","
    "\"y\":\"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd"
    "0AZMaZmh9ubmf63e3kyMj2\"},{\"kty\":\"OKP\",\"crv\":\"Ed25519\","
    "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}";

static const char         *const fuzz_typs[] = { "JWT", NULL };
static oidc_jws_policy_t   fuzz_policy;
static oidc_jwks_t        *fuzz_jwks;


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    oidc_jws_t      jws;
    oidc_str_t      text;
    const uint8_t  *zero;

    if (fuzz_jwks == NULL) {
        text = fuzz_str(fuzz_keys);
        fuzz_check(oidc_jwks_parse(&text, &fuzz_jwks) == OIDC_OK);

        fuzz_policy.jwks = fuzz_jwks;
        fuzz_policy.secret = fuzz_str("0123456789abcdef0123456789abcdef");
        fuzz_policy.algs = OIDC_ALG_DEFAULT|OIDC_ES512|OIDC_HS256;
        fuzz_policy.typs = fuzz_typs;
    }

    zero = size ? memchr(data, '\0', size) : NULL;

    text = zero ? fuzz_token(data, zero, size) : fuzz_copy(data, size);

    if (oidc_jws_verify(fuzz_pool(), &text, &fuzz_policy, &jws) == OIDC_OK) {
        fuzz_touch(&jws.payload);
        fuzz_check((jws.alg & fuzz_policy.algs) == jws.alg);
        fuzz_check(json_object_get(jws.header, "crit") == NULL);
        fuzz_check(json_object_get(jws.header, "b64") == NULL);

        if (zero != NULL) {
            fuzz_check(jws.alg == OIDC_HS256);
            fuzz_check(jws.payload.len == (size_t) (data + size - zero - 1));
            fuzz_check(memcmp(jws.payload.data, zero + 1, jws.payload.len)
                       == 0);
        }

        json_decref(jws.header);
    }

    fuzz_check(ERR_peek_error() == 0);

    fuzz_done();

    return 0;
}


static oidc_str_t
fuzz_token(const uint8_t *data, const uint8_t *zero, size_t size)
{
    u_char      *p;
    size_t       len;
    u_char       mac[32];
    oidc_str_t   out;

    len = zero - data;
    size -= len + 1;

    out.len = oidc_b64url_len(len) + oidc_b64url_len(size) + 2 + 43;
    out.data = fuzz_alloc(NULL, out.len);

    p = oidc_b64url_encode_buf(out.data, data, len);
    *p++ = '.';
    p = oidc_b64url_encode_buf(p, zero + 1, size);

    HMAC(EVP_sha256(), fuzz_policy.secret.data, (int) fuzz_policy.secret.len,
         out.data, p - out.data, mac, NULL);

    *p++ = '.';
    (void) oidc_b64url_encode_buf(p, mac, sizeof(mac));

    return out;
}
