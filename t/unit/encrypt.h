
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The other side of a JWE for unit tests: encrypts for each alg and enc, with a
 * Concat KDF of its own, and leaves the parts to be twisted and joined again.
 */


#ifndef _ENCRYPT_H_INCLUDED_
#define _ENCRYPT_H_INCLUDED_


#include "jose.h"


#define PLAIN     "a text that nobody else may see, of three blocks"


enum { HEADER, KEY, IV, TEXT, TAG, PARTS };


typedef struct {
    const char   *alg;
    const char   *enc;
    EVP_PKEY     *to;
    const char   *more;             /* members on top, JSON, may be NULL */
    const char   *plain;            /* PLAIN where NULL */
    size_t        cek_len;          /* another length than enc's */
    int           bad_padding;      /* of CBC, under a right MAC */
} make_t;


static TAP_UNUSED oidc_str_t make(const make_t *m, oidc_str_t part[PARTS]);
static TAP_UNUSED oidc_str_t join(const oidc_str_t part[PARTS]);
static TAP_UNUSED void make_key(const make_t *m, json_t *header, u_char *cek,
    size_t cek_len, oidc_str_t *encrypted);
static TAP_UNUSED void make_text(const make_t *m, const u_char *cek,
    size_t cek_len, oidc_str_t part[PARTS]);
static TAP_UNUSED void concat_kdf(const u_char *z, size_t z_len, const char *id,
    const json_t *header, u_char *out, size_t len);


static TAP_UNUSED oidc_str_t
make(const make_t *m, oidc_str_t part[PARTS])
{
    char        *text;
    size_t       cek_len;
    u_char       cek[64];
    json_t      *header, *more;
    oidc_str_t   str;

    cek_len = strcmp(m->enc, "A128GCM") == 0 ? 16
              : strcmp(m->enc, "A192GCM") == 0 ? 24
              : strcmp(m->enc, "A192CBC-HS384") == 0 ? 48
              : strcmp(m->enc, "A256CBC-HS512") == 0 ? 64 : 32;

    header = json_pack("{s:s, s:s}", "alg", m->alg, "enc", m->enc);

    if (m->more != NULL) {
        more = json_loads(m->more, 0, NULL);
        json_object_update(header, more);
        json_decref(more);
    }

    memset(cek, 0x3c, sizeof(cek));
    make_key(m, header, cek, m->cek_len ? m->cek_len : cek_len, &part[KEY]);

    text = json_dumps(header, JSON_COMPACT);
    str = tap_str(text);
    (void) oidc_str_dup(tap_pool(), &str, &part[HEADER]);
    free(text);
    json_decref(header);

    make_text(m, cek, cek_len, part);

    return join(part);
}


static TAP_UNUSED oidc_str_t
join(const oidc_str_t part[PARTS])
{
    size_t      i;
    oidc_str_t  out, b64;

    out = jose_b64(part[0].data, part[0].len);

    for (i = 1; i < PARTS; i++) {
        b64 = jose_b64(part[i].data, part[i].len);
        out = jose_join(&out, &b64);
    }

    return out;
}


/* epk goes into the header unless it has one */

static TAP_UNUSED void
make_key(const make_t *m, json_t *header, u_char *cek, size_t cek_len,
    oidc_str_t *encrypted)
{
    int                n;
    size_t             len;
    u_char             z[66], kek[32], out[1024];
    EVP_PKEY          *eph;
    oidc_str_t         str;
    const char        *kw;
    const EVP_MD      *md;
    EVP_PKEY_CTX      *ctx;
    EVP_CIPHER_CTX    *cipher;
    const EVP_CIPHER  *wrap;

    str.data = out;
    str.len = sizeof(out);

    if (m->alg[0] == 'R') {
        md = m->alg[8] == '\0' ? EVP_sha1()
             : strcmp(m->alg + 9, "256") == 0 ? EVP_sha256()
             : strcmp(m->alg + 9, "384") == 0 ? EVP_sha384() : EVP_sha512();
        ctx = EVP_PKEY_CTX_new(m->to, NULL);
        EVP_PKEY_encrypt_init(ctx);
        EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING);
        EVP_PKEY_CTX_set_rsa_oaep_md(ctx, md);
        EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, md);

        if (EVP_PKEY_encrypt(ctx, out, &str.len, cek, cek_len) != 1) {
            abort();
        }

        EVP_PKEY_CTX_free(ctx);
        (void) oidc_str_dup(tap_pool(), &str, encrypted);

        return;
    }

    ctx = EVP_PKEY_CTX_new(m->to, NULL);
    eph = NULL;

    if (EVP_PKEY_keygen_init(ctx) != 1 || EVP_PKEY_keygen(ctx, &eph) != 1) {
        abort();
    }

    EVP_PKEY_CTX_free(ctx);

    if (json_object_get(header, "epk") == NULL) {
        json_object_set_new(header, "epk", jose_jwk(eph, "{}"));
    }

    len = sizeof(z);
    ctx = EVP_PKEY_CTX_new(eph, NULL);
    EVP_PKEY_derive_init(ctx);
    EVP_PKEY_derive_set_peer(ctx, m->to);

    if (EVP_PKEY_derive(ctx, z, &len) != 1) {
        abort();
    }

    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(eph);

    kw = strchr(m->alg, '+');

    if (kw == NULL) {
        concat_kdf(z, len, m->enc, header, cek, cek_len);
        str.len = 0;
        (void) oidc_str_dup(tap_pool(), &str, encrypted);
        return;
    }

    n = atoi(kw + 2) / 8;
    wrap = n == 16 ? EVP_aes_128_wrap()
           : n == 24 ? EVP_aes_192_wrap() : EVP_aes_256_wrap();
    concat_kdf(z, len, m->alg, header, kek, n);

    cipher = EVP_CIPHER_CTX_new();
    EVP_CIPHER_CTX_set_flags(cipher, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    EVP_EncryptInit_ex(cipher, wrap, NULL, kek, NULL);
    EVP_EncryptUpdate(cipher, out, &n, cek, (int) cek_len);
    EVP_CIPHER_CTX_free(cipher);

    str.len = n;
    (void) oidc_str_dup(tap_pool(), &str, encrypted);
}


static TAP_UNUSED void
make_text(const make_t *m, const u_char *cek, size_t cek_len,
    oidc_str_t part[PARTS])
{
    int                n, last;
    char               name[16];
    size_t             len, half;
    u_char             iv[16], tag[64], *text, al[8] = { 0 };
    oidc_str_t         aad, plain, str;
    oidc_buf_t         b;
    EVP_CIPHER_CTX    *ctx;
    const EVP_MD      *md;

    plain = tap_str(m->plain != NULL ? m->plain : PLAIN);
    aad = jose_b64(part[HEADER].data, part[HEADER].len);
    text = tap_alloc(&tap, plain.len + 32);
    memset(iv, 0x77, sizeof(iv));

    snprintf(name, sizeof(name), "aes-%.3s-%s", m->enc + 1,
             m->enc[4] == 'G' ? "gcm" : "cbc");
    ctx = EVP_CIPHER_CTX_new();
    half = m->enc[4] == 'G' ? 0 : cek_len / 2;
    EVP_EncryptInit_ex(ctx, EVP_get_cipherbyname(name), NULL, cek + half, iv);

    if (m->bad_padding) {
        EVP_CIPHER_CTX_set_padding(ctx, 0);
    }

    if (half == 0) {
        EVP_EncryptUpdate(ctx, NULL, &n, aad.data, (int) aad.len);
    }

    n = 0;

    if (plain.len) {
        EVP_EncryptUpdate(ctx, text, &n, plain.data, (int) plain.len);
    }

    EVP_EncryptFinal_ex(ctx, text + n, &last);

    str.data = text;
    str.len = n + last;
    (void) oidc_str_dup(tap_pool(), &str, &part[TEXT]);

    str.data = iv;
    str.len = half ? 16 : 12;
    (void) oidc_str_dup(tap_pool(), &str, &part[IV]);

    if (half == 0) {
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, tag);
        str.len = 16;

    } else {
        len = aad.len * 8;
        al[5] = (u_char) (len >> 16);
        al[6] = (u_char) (len >> 8);
        al[7] = (u_char) len;

        oidc_buf_init(&b, tap_pool(), 0);
        oidc_buf_str(&b, &aad);
        oidc_buf_add(&b, iv, 16);
        oidc_buf_str(&b, &part[TEXT]);
        oidc_buf_add(&b, al, 8);

        md = half == 16 ? EVP_sha256() : half == 24 ? EVP_sha384()
                                                    : EVP_sha512();
        HMAC(md, cek, (int) half, b.data, b.len, tag, NULL);
        str.len = half;
    }

    str.data = tag;
    (void) oidc_str_dup(tap_pool(), &str, &part[TAG]);

    EVP_CIPHER_CTX_free(ctx);
}


/* NIST SP 800-56A with SHA-256, from the text of RFC 7518 section 4.6.2 */

static TAP_UNUSED void
concat_kdf(const u_char *z, size_t z_len, const char *id,
    const json_t *header, u_char *out, size_t len)
{
    size_t       i, done;
    u_char       u32[4] = { 0 }, digest[32];
    oidc_buf_t   b;
    oidc_str_t   text, party;
    const char  *member;

    for (done = 0; done < len; done += 32) {
        oidc_buf_init(&b, tap_pool(), 0);

#define ADD32(n)                                                              \
        u32[2] = (u_char) ((n) >> 8);                                         \
        u32[3] = (u_char) (n);                                                \
        oidc_buf_add(&b, u32, 4)

        ADD32(done / 32 + 1);
        oidc_buf_add(&b, z, z_len);
        ADD32(strlen(id));
        oidc_buf_cstr(&b, id);

        for (i = 0; i < 2; i++) {
            member = json_string_value(json_object_get(header,
                                                       i ? "apv" : "apu"));
            text = tap_str(member != NULL ? member : "");
            party.len = 0;
            (void) oidc_b64url_decode(tap_pool(), &text, &party);
            ADD32(party.len);
            oidc_buf_str(&b, &party);
        }

        ADD32(len * 8);

        EVP_Digest(b.data, b.len, digest, NULL, EVP_sha256(), NULL);
        memcpy(out + done, digest, len - done < 32 ? len - done : 32);
    }
}


#endif /* _ENCRYPT_H_INCLUDED_ */
