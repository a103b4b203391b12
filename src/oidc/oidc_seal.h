
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Sealing: AES-256-GCM with a random nonce, the purpose bound as additional
 * data.  Login cookies are sealed with a ring of keys of which the first seals
 * and all open; a session is sealed with a key that only its handle yields.
 */


#ifndef _OIDC_SEAL_H_INCLUDED_
#define _OIDC_SEAL_H_INCLUDED_


#include "oidc_base.h"


#define OIDC_KEY_LEN         32
#define OIDC_HANDLE_LEN      32
#define OIDC_RING_MAX        8

/* version, nonce, tag */

#define OIDC_SEAL_OVERHEAD   (1 + 12 + 16)


typedef struct {
    unsigned    n;
    u_char      key[OIDC_RING_MAX][OIDC_KEY_LEN];
} oidc_ring_t;


/* the two halves of SHA-512("oidc session handle" 0 handle) */

typedef struct {
    u_char      name[32];
    u_char      key[OIDC_KEY_LEN];
} oidc_handle_keys_t;


/*
 * Fetches the algorithms once per process (an implicit fetch costs OpenSSL 3.0
 * more than the work itself); calling it again is harmless.  Every function
 * below needs it.  OIDC_CRYPTO where OpenSSL lacks one.
 */

oidc_rc_t oidc_crypto_init(void);
void oidc_crypto_free(void);

/* OpenSSL's RAND_bytes() as an oidc_random_pt */

int oidc_random(u_char *buf, size_t len);

oidc_rc_t oidc_sha256(const void *data, size_t len, u_char out[32]);

/* in base64url, as a PKCE challenge and "ath" are */

oidc_rc_t oidc_sha256_b64url(const void *data, size_t len, u_char out[43]);

/* HKDF-SHA256 (RFC 5869) of a secret of any length >= 16 bytes, by label */

oidc_rc_t oidc_derive(const oidc_str_t *secret, const char *label,
    u_char out[OIDC_KEY_LEN]);

/*
 * The name under which a store finds the sessions of a "sid" or a "sub": an
 * HMAC-SHA256 of kind, realm and value under a key that is derived from this
 * one, so that who reads the store learns neither, nor can try a list of them.
 */

oidc_rc_t oidc_index_name(const u_char key[OIDC_KEY_LEN], const char *kind,
    const oidc_str_t *realm, const oidc_str_t *value, u_char out[32]);

oidc_rc_t oidc_handle_keys(const u_char handle[OIDC_HANDLE_LEN],
    oidc_handle_keys_t *keys);

/*
 * Seals "plain" into dst, which takes plain->len + OIDC_SEAL_OVERHEAD bytes.
 * The additional data is purpose, a zero byte, aad (which may be NULL).
 */

oidc_rc_t oidc_seal(const u_char key[OIDC_KEY_LEN], const char *purpose,
    const oidc_str_t *aad, const oidc_str_t *plain, oidc_random_pt random,
    u_char *dst);

/*
 * Opens into dst, which takes sealed->len - OIDC_SEAL_OVERHEAD bytes.
 * OIDC_SEAL where it does not open; dst is then wiped.
 */

oidc_rc_t oidc_open(const u_char key[OIDC_KEY_LEN], const char *purpose,
    const oidc_str_t *aad, const oidc_str_t *sealed, u_char *dst);

oidc_rc_t oidc_ring_open(const oidc_ring_t *ring, const char *purpose,
    const oidc_str_t *aad, const oidc_str_t *sealed, u_char *dst);


#endif /* _OIDC_SEAL_H_INCLUDED_ */
