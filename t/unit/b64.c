
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * base64url and base64: RFC 4648 section 10, and what a strict decoder refuses
 * (RFC 7515 section 2, RFC 4648 section 3.5).
 */


#include "oidc_b64.h"
#include "tap.h"


static void test_known(void);
static void test_refused(void);
static void test_every_length(void);
static void test_one_encoding(void);
static void test_buf(void);
static void test_nomem(void);


static const char *const  known[][3] = {
    { "",       "",         "" },
    { "f",      "Zg",       "Zg==" },
    { "fo",     "Zm8",      "Zm8=" },
    { "foo",    "Zm9v",     "Zm9v" },
    { "foob",   "Zm9vYg",   "Zm9vYg==" },
    { "fooba",  "Zm9vYmE",  "Zm9vYmE=" },
    { "foobar", "Zm9vYmFy", "Zm9vYmFy" },

    /* RFC 7515 appendix C */

    { "\x03\xec\xff\xe0\xc1", "A-z_4ME", "A+z/4ME=" }
};


static const struct {
    const char  *text;
    const char  *why;
} refused[] = {
    { "A",         "length 1 modulo 4" },
    { "AAAAA",     "length 5" },
    { "Zg==",      "padding" },
    { "Zg=",       "half the padding" },
    { "Zm8=",      "padding" },
    { "Zh",        "unused bits that are not zero" },
    { "Zm9",       "unused bits that are not zero, 3 characters" },
    { "Zm9vYh",    "unused bits that are not zero, at the end" },
    { "A+z_4ME",   "the + of base64" },
    { "A-z/4ME",   "the / of base64" },
    { "Zm9v\n",    "a line break" },
    { "Zm9v\nYmE", "a line break in the midst" },
    { " Zm9",      "white space in front" },
    { "Zm.v",      "a dot" },
    { "Zm\xc3\xa9", "bytes above 127" }
};


int
main(void)
{
    test_known();
    test_refused();
    test_every_length();
    test_one_encoding();
    test_buf();
    test_nomem();

    return done_testing();
}


static void
test_known(void)
{
    size_t      i;
    oidc_str_t  plain, text, out;

    for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        plain = tap_str(known[i][0]);
        text = tap_str(known[i][1]);

        is_rc(oidc_b64url_encode(tap_pool(), &plain, &out), OIDC_OK,
              "KE-1 base64url encodes");
        is_str(&out, known[i][1], "KE-1 as RFC 4648 says");
        ok(out.len == oidc_b64url_len(plain.len) && out.data[out.len] == '\0',
           "KE-1 in the length that was promised");

        is_rc(oidc_b64url_decode(tap_pool(), &text, &out), OIDC_OK,
              "KE-1 base64url decodes");
        is_str(&out, known[i][0], "KE-1 into what it was");

        is_rc(oidc_b64_encode(tap_pool(), &plain, &out), OIDC_OK,
              "KE-1 base64 encodes");
        is_str(&out, known[i][2], "KE-1 with padding");
    }
}


static void
test_refused(void)
{
    char        name[128];
    size_t      i;
    oidc_str_t  text, out;

    for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        text = tap_str(refused[i].text);

        snprintf(name, sizeof(name), "KE-1 P8 refused: %s", refused[i].why);
        is_rc(oidc_b64url_decode(tap_pool(), &text, &out), OIDC_ARGS, name);
    }

    text.data = (u_char *) "Zm\0v";
    text.len = 4;
    is_rc(oidc_b64url_decode(tap_pool(), &text, &out), OIDC_ARGS,
          "KE-1 P8 refused: a NUL");
}


static void
test_every_length(void)
{
    int         good;
    u_char      bytes[256];
    size_t      i;
    oidc_str_t  plain, text, back;

    for (i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (u_char) (i * 167 + 13);
    }

    good = 1;

    for (i = 0; i <= sizeof(bytes); i++) {
        plain.data = bytes;
        plain.len = i;

        good = good
               && oidc_b64url_encode(tap_pool(), &plain, &text) == OIDC_OK
               && text.len == oidc_b64url_len(i)
               && oidc_b64url_decode(tap_pool(), &text, &back) == OIDC_OK
               && oidc_str_eq(&plain, &back);
    }

    ok(good, "KE-1 there and back, for each length up to 256");
}


/* P23: of all strings of 2 and 3 characters, what decodes encodes to itself */

static void
test_one_encoding(void)
{
    int         i, same, accepted;
    u_char      two[2];
    oidc_str_t  text, plain, again;

    same = 1;
    accepted = 0;

    for (i = 0; i < 65536; i++) {
        two[0] = i >> 8;
        two[1] = i & 0xff;
        text.data = two;
        text.len = 2;

        if (oidc_b64url_decode(tap_pool(), &text, &plain) == OIDC_OK) {
            accepted++;
            same = same
                   && oidc_b64url_encode(tap_pool(), &plain, &again) == OIDC_OK
                   && oidc_str_eq(&text, &again);
        }

        tap_pool_reset();
    }

    ok(same, "KE-1 P23 whatever decodes is its one encoding");
    is_int(accepted, 256, "KE-1 P23 one string per byte");
}


static void
test_buf(void)
{
    u_char      out[4] = "xxxx";
    oidc_str_t  text;

    text = tap_str("Zm9v");

    ok(oidc_b64url_decode_buf(out, 3, &text), "exactly three bytes");
    is_mem(out, 4, "foox", 4, "and not one more is written");
    ok(!oidc_b64url_decode_buf(out, 2, &text), "not two");
    ok(!oidc_b64url_decode_buf(out, 4, &text), "not four");

    text = tap_str("Zm9vA");
    ok(!oidc_b64url_decode_buf(out, 3, &text), "no odd length");

    text.len = 0;
    ok(oidc_b64url_decode_buf(out, 0, &text), "nothing is nothing");
}


static void
test_nomem(void)
{
    oidc_str_t  text, out;

    text = tap_str("Zm9v");
    tap.fail_after = 0;

    is_rc(oidc_b64url_decode(tap_pool(), &text, &out), OIDC_NOMEM,
          "no memory to decode");
    is_rc(oidc_b64url_encode(tap_pool(), &text, &out), OIDC_NOMEM,
          "no memory to encode");
    is_rc(oidc_b64_encode(tap_pool(), &text, &out), OIDC_NOMEM,
          "no memory for base64");

    tap.fail_after = -1;
}
