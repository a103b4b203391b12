
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The table of signature algorithms, which verifying and signing share.
 */


#ifndef _OIDC_JWS_INT_H_INCLUDED_
#define _OIDC_JWS_INT_H_INCLUDED_


#include <openssl/evp.h>

#include "oidc_jws.h"


typedef enum {
    OIDC_SIG_RSA,
    OIDC_SIG_PSS,
    OIDC_SIG_ECDSA,
    OIDC_SIG_EDDSA,
    OIDC_SIG_HMAC
} oidc_sig_e;


typedef struct {
    oidc_str_t       name;
    unsigned         alg;
    oidc_sig_e       sig;
    const EVP_MD  *(*md)(void);
    size_t           hash;      /* octets of md */
    size_t           len;       /* of a signature, where alg fixes it */
} oidc_jws_alg_t;


/* the last row, whose alg is 0, where there is none */

const oidc_jws_alg_t *oidc_jws_row(unsigned alg);

/* the padding of RSASSA-PSS (RFC 7518 section 3.5); 1 or 0 */

int oidc_jws_pss(EVP_PKEY_CTX *ctx, const EVP_MD *md);


#endif /* _OIDC_JWS_INT_H_INCLUDED_ */
