
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The provider's side for the tests of JOSE: keys made on the spot, JWKs of
 * them with any member added or replaced, and compact JWS with any header
 * whatsoever, signed as "alg" says even where the header says otherwise.
 */


#ifndef _JOSE_H_INCLUDED_
#define _JOSE_H_INCLUDED_


#include <jansson.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "oidc_b64.h"
#include "oidc_jws.h"
#include "oidc_key.h"
#include "tap.h"


#define JOSE_ALL      0x1fff    /* every alg that there is */
#define JOSE_PAYLOAD  "{\"sub\":\"joe\"}"
#define JOSE_NALGS    (sizeof(jose_algs) / sizeof(jose_algs[0]))


typedef struct {
    EVP_PKEY    *pkey;
    oidc_str_t   secret;
} jose_key_t;


/* in the order of their bits */

static const char *const  jose_algs[] = {
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
    "ES256", "ES384", "ES512", "EdDSA", "HS256", "HS384", "HS512"
};


/*
 * The provider: jose_rsa (kid "rsa"), jose_p256 and jose_p384 (both "ec"),
 * jose_p521, jose_ed (no kid), and jose_enc, a P-256 key with use=enc.
 */

static jose_key_t          jose_rsa, jose_p256, jose_p384, jose_p521, jose_ed,
                           jose_enc, jose_hs;
static oidc_jwks_t        *jose_jwks;
static oidc_jws_policy_t   jose_policy;


/* "RSA", "RSA-1024", "P-256", "P-384", "P-521", "Ed25519", "X25519" ... */

static TAP_UNUSED EVP_PKEY *
jose_new_key(const char *kind)
{
    EVP_PKEY  *pkey;

    if (strcmp(kind, "RSA") == 0) {
        pkey = EVP_RSA_gen(2048);

    } else if (strcmp(kind, "RSA-1024") == 0) {
        pkey = EVP_RSA_gen(1024);

    } else if (kind[0] == 'P' || kind[0] == 's') {
        pkey = EVP_EC_gen(kind);

    } else {
        pkey = EVP_PKEY_Q_keygen(NULL, NULL, kind);
    }

    if (pkey == NULL) {
        fprintf(stderr, "no key of kind %s\n", kind);
        abort();
    }

    return pkey;
}


/* the private key in PEM, as "openssl genpkey" writes it */

static TAP_UNUSED oidc_str_t
jose_pem(EVP_PKEY *pkey)
{
    BIO         *bio;
    char        *data;
    oidc_str_t   pem, out;

    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL);
    pem.len = BIO_get_mem_data(bio, &data);
    pem.data = (u_char *) data;
    (void) oidc_str_dup(tap_pool(), &pem, &out);
    BIO_free(bio);

    return out;
}


/* the public JWK without labels, the members of "more" (JSON) on top */

static TAP_UNUSED json_t *
jose_jwk(EVP_PKEY *pkey, const char *more)
{
    json_t      *set, *jwk, *members;
    oidc_str_t   pem, none = { 0, NULL }, text;
    oidc_key_t   key;
    const char  *why;

    pem = jose_pem(pkey);

    if (oidc_key_from_pem(&pem, &none, &none, &none, &key, &why) != OIDC_OK
        || oidc_jwks_render(tap_pool(), &key, 1, &text) != OIDC_OK)
    {
        fprintf(stderr, "no JWK: %s\n", why);
        abort();
    }

    oidc_key_free(&key);

    set = json_loadb((char *) text.data, text.len, 0, NULL);
    jwk = json_copy(json_array_get(json_object_get(set, "keys"), 0));
    json_decref(set);

    json_object_del(jwk, "use");
    json_object_del(jwk, "alg");
    json_object_del(jwk, "kid");

    members = json_loads(more, 0, NULL);
    json_object_update(jwk, members);
    json_decref(members);

    return jwk;
}


/* {"keys":[...]} of JWKs, which are taken; NULL at the end */

static TAP_UNUSED oidc_str_t
jose_set(json_t *first, ...)
{
    char        *text;
    json_t      *set, *jwk;
    va_list      args;
    oidc_str_t   out, str;

    set = json_array();

    va_start(args, first);

    for (jwk = first; jwk != NULL; jwk = va_arg(args, json_t *)) {
        json_array_append_new(set, jwk);
    }

    va_end(args);

    set = json_pack("{s:o}", "keys", set);
    text = json_dumps(set, JSON_COMPACT);
    str = tap_str(text);
    (void) oidc_str_dup(tap_pool(), &str, &out);

    free(text);
    json_decref(set);

    return out;
}


static TAP_UNUSED oidc_str_t
jose_b64(const void *data, size_t len)
{
    oidc_str_t  str, out;

    str.data = (u_char *) data;
    str.len = len;
    (void) oidc_b64url_encode(tap_pool(), &str, &out);

    return out;
}


static TAP_UNUSED oidc_str_t
jose_join(const oidc_str_t *left, const oidc_str_t *right)
{
    oidc_str_t  out;
    oidc_buf_t  buf;

    oidc_buf_init(&buf, tap_pool(), 0);
    oidc_buf_str(&buf, left);
    oidc_buf_cstr(&buf, ".");
    oidc_buf_str(&buf, right);
    (void) oidc_buf_done(&buf, &out);

    return out;
}


/* header "." payload, both as given, in base64url */

static TAP_UNUSED oidc_str_t
jose_input(const char *header, const char *payload)
{
    oidc_str_t  h, p;

    h = jose_b64(header, strlen(header));
    p = jose_b64(payload, strlen(payload));

    return jose_join(&h, &p);
}


static TAP_UNUSED oidc_str_t
jose_attach(const oidc_str_t *input, const u_char *sig, size_t len)
{
    oidc_str_t  s;

    s = jose_b64(sig, len);

    return jose_join(input, &s);
}


static TAP_UNUSED const EVP_MD *
jose_md(const char *alg)
{
    return strcmp(alg, "EdDSA") == 0 ? NULL
           : strcmp(alg + 2, "256") == 0 ? EVP_sha256()
           : strcmp(alg + 2, "384") == 0 ? EVP_sha384() : EVP_sha512();
}


/* the octets of a signature, r and s for ES*; "salt" is for PS* */

static TAP_UNUSED size_t
jose_sign(const char *alg, const jose_key_t *key, int salt,
    const oidc_str_t *input, u_char *sig, size_t size)
{
    int            half;
    unsigned       len;
    EVP_MD_CTX    *ctx;
    ECDSA_SIG     *ec;
    EVP_PKEY_CTX  *pctx;
    const u_char  *p;

    if (alg[0] == 'H') {
        HMAC(jose_md(alg), key->secret.data, (int) key->secret.len,
             input->data, input->len, sig, &len);
        return len;
    }

    ctx = EVP_MD_CTX_new();
    EVP_DigestSignInit(ctx, &pctx, jose_md(alg), NULL, key->pkey);

    if (alg[0] == 'P') {
        EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING);
        EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, salt);
    }

    if (EVP_DigestSign(ctx, sig, &size, input->data, input->len) != 1) {
        fprintf(stderr, "cannot sign with %s\n", alg);
        abort();
    }

    EVP_MD_CTX_free(ctx);

    if (strncmp(alg, "ES", 2) == 0) {
        half = (EVP_PKEY_get_bits(key->pkey) + 7) / 8;
        p = sig;
        ec = d2i_ECDSA_SIG(NULL, &p, (long) size);
        BN_bn2binpad(ECDSA_SIG_get0_r(ec), sig, half);
        BN_bn2binpad(ECDSA_SIG_get0_s(ec), sig + half, half);
        ECDSA_SIG_free(ec);
        size = 2 * half;
    }

    return size;
}


static TAP_UNUSED oidc_str_t
jose_token(const char *alg, const jose_key_t *key, const char *header,
    const char *payload)
{
    size_t      len;
    u_char      sig[1024];
    oidc_str_t  input;

    input = jose_input(header, payload);
    len = jose_sign(alg, key, RSA_PSS_SALTLEN_DIGEST, &input, sig,
                    sizeof(sig));

    return jose_attach(&input, sig, len);
}


static TAP_UNUSED const jose_key_t *
jose_key_of(const char *alg)
{
    return alg[0] == 'H' ? &jose_hs
           : strcmp(alg, "EdDSA") == 0 ? &jose_ed
           : strcmp(alg, "ES256") == 0 ? &jose_p256
           : strcmp(alg, "ES384") == 0 ? &jose_p384
           : strcmp(alg, "ES512") == 0 ? &jose_p521 : &jose_rsa;
}


static TAP_UNUSED oidc_rc_t
jose_verify(const oidc_str_t *token, unsigned algs)
{
    oidc_rc_t   rc;
    oidc_jws_t  jws;

    jose_policy.algs = algs;
    rc = oidc_jws_verify(tap_pool(), token, &jose_policy, &jws);

    if (rc == OIDC_OK) {
        json_decref(jws.header);
    }

    if (ERR_peek_error() != 0) {
        fail("P19 OpenSSL's error queue is empty");
        ERR_clear_error();
    }

    return rc;
}


/* a token whose signature is right for "alg", whatever its header says */

static TAP_UNUSED oidc_rc_t
jose_verify_header(const char *alg, const char *header)
{
    oidc_str_t  token;

    token = jose_token(alg, jose_key_of(alg), header, JOSE_PAYLOAD);

    return jose_verify(&token, JOSE_ALL);
}


static TAP_UNUSED void
jose_setup(void)
{
    oidc_str_t  set;

    jose_rsa.pkey = jose_new_key("RSA");
    jose_p256.pkey = jose_new_key("P-256");
    jose_p384.pkey = jose_new_key("P-384");
    jose_p521.pkey = jose_new_key("P-521");
    jose_ed.pkey = jose_new_key("Ed25519");
    jose_enc.pkey = jose_new_key("P-256");
    jose_hs.secret = tap_str("0123456789012345678901234567890123456789"
                             "012345678901234567890123");

    set = jose_set(jose_jwk(jose_rsa.pkey, "{\"kid\":\"rsa\"}"),
                   jose_jwk(jose_p256.pkey, "{\"kid\":\"ec\"}"),
                   jose_jwk(jose_p384.pkey, "{\"kid\":\"ec\"}"),
                   jose_jwk(jose_p521.pkey, "{\"kid\":\"p521\"}"),
                   jose_jwk(jose_ed.pkey, "{}"),
                   jose_jwk(jose_enc.pkey,
                            "{\"kid\":\"enc\",\"use\":\"enc\"}"),
                   NULL);

    is_rc(oidc_jwks_parse(&set, &jose_jwks), OIDC_OK, "the provider's keys");

    jose_policy.jwks = jose_jwks;
    jose_policy.secret = jose_hs.secret;
}


static TAP_UNUSED void
jose_done(void)
{
    oidc_jwks_free(jose_jwks);

    EVP_PKEY_free(jose_rsa.pkey);
    EVP_PKEY_free(jose_p256.pkey);
    EVP_PKEY_free(jose_p384.pkey);
    EVP_PKEY_free(jose_p521.pkey);
    EVP_PKEY_free(jose_ed.pkey);
    EVP_PKEY_free(jose_enc.pkey);
}


#endif /* _JOSE_H_INCLUDED_ */
