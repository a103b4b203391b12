
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The pure layer on the command line, so that anyone can put any published
 * vector through it.  Prints the payload and exits with 0, or the reason on
 * standard error with 1; 2 says that it was called wrongly.
 *
 * KEYSET is a file (jose_keys.c).  Private members are made use of by those
 * commands alone that decrypt or sign.
 */


#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "oidc_seal.h"

#include "jose.h"


typedef struct jose_block_s  jose_block_t;

struct jose_block_s {
    jose_block_t   *next;
    u_char          data[];
};


typedef struct {
    const char     *name;
    int           (*run)(jose_options_t *options, jose_keys_t *keys);
    unsigned        keyset:1;
    unsigned        own_alg:1;  /* --alg is that of our key, not of a token */
    unsigned        signs:1;
    const char     *usage;
} jose_command_t;


/* an option whose value is kept as it is */

typedef struct {
    int             ch;
    size_t          offset;     /* in jose_options_t */
} jose_value_t;


static int jose_read_options(int argc, char **argv, jose_options_t *options);
static int jose_read_option(int ch, char *text, jose_options_t *options);
static int jose_read_algs(char *names, jose_options_t *options);
static int jose_read_encs(char *names, jose_options_t *options);
static int jose_read_typs(char *names, jose_options_t *options);
static int jose_read_mode(const char *name, jose_options_t *options);
static void *jose_alloc(void *owner, size_t size);


static const jose_command_t  jose_commands[] = {

    { "verify", jose_verify, 1, 0, 0,
      "KEYSET [--alg A,B] [--typ A,B] < token" },

    { "decrypt", jose_decrypt, 1, 0, 0,
      "KEYSET --alg A,B --enc E,F < token" },

    { "jwk", jose_jwk, 1, 1, 0,
      "KEYSET [--thumbprint] [--use U] [--alg A] [--kid K]" },

    { "id-token", jose_id_token, 1, 0, 0,
      "KEYSET --issuer URL --client-id ID --nonce N\n"
      "            [--alg A,B] [--now T] [--skew S] [--audience ID]\n"
      "            [--access-token TOKEN] < token" },

    { "introspection", jose_introspection, 1, 0, 0,
      "KEYSET --mode json|jwt|signed|encrypted\n"
      "            --issuer URL --client-id ID [--alg A,B] [--enc E,F]\n"
      "            [--content-type TYPE] [--now T] [--skew S] < answer" },

    { "access-token", jose_access_token, 1, 0, 0,
      "KEYSET --issuer URL --audience ID [--strict]\n"
      "            [--alg A,B] [--enc E,F] [--now T] [--skew S] < token" },

    { "dpop", jose_dpop, 0, 0, 0,
      "--method M --url URL --access-token TOKEN [--nonce N]\n"
      "            [--alg A,B] [--now T] [--skew S] < proof" },

    { "sign", jose_sign, 1, 1, 1,
      "KEYSET [--alg A] [--kid K] [--typ T] < payload" },

    { "assertion", jose_assertion, 1, 1, 1,
      "KEYSET --client-id ID --audience URL [--alg A] [--kid K]\n"
      "            [--now T]" },

    { "request-object", jose_request_object, 1, 1, 1,
      "KEYSET --client-id ID --audience URL [--alg A]\n"
      "            [--kid K] [--now T] [--redirect-uri URL] [--scope S]\n"
      "            [--state S] [--nonce N] < arguments" },

    { NULL, NULL, 0, 0, 0, NULL }
};


static const struct option  jose_long_options[] = {
    { "alg",          required_argument, NULL, 'a' },
    { "typ",          required_argument, NULL, 't' },
    { "use",          required_argument, NULL, 'u' },
    { "kid",          required_argument, NULL, 'k' },
    { "thumbprint",   no_argument,       NULL, 'T' },
    { "enc",          required_argument, NULL, 'e' },
    { "now",          required_argument, NULL, 'n' },
    { "skew",         required_argument, NULL, 's' },
    { "issuer",       required_argument, NULL, 'i' },
    { "client-id",    required_argument, NULL, 'c' },
    { "audience",     required_argument, NULL, 'A' },
    { "nonce",        required_argument, NULL, 'N' },
    { "access-token", required_argument, NULL, 'x' },
    { "mode",         required_argument, NULL, 'M' },
    { "content-type", required_argument, NULL, 'C' },
    { "strict",       no_argument,       NULL, 'S' },
    { "method",       required_argument, NULL, 'm' },
    { "url",          required_argument, NULL, 'U' },
    { "redirect-uri", required_argument, NULL, 'r' },
    { "scope",        required_argument, NULL, 'o' },
    { "state",        required_argument, NULL, 'z' },
    { NULL, 0, NULL, 0 }
};


static const jose_value_t  jose_values[] = {
    { 'u', offsetof(jose_options_t, use) },
    { 'k', offsetof(jose_options_t, kid) },
    { 'i', offsetof(jose_options_t, expect.issuer) },
    { 'c', offsetof(jose_options_t, expect.client_id) },
    { 'A', offsetof(jose_options_t, audience) },
    { 'N', offsetof(jose_options_t, expect.nonce) },
    { 'x', offsetof(jose_options_t, expect.access_token) },
    { 'C', offsetof(jose_options_t, content_type) },
    { 'm', offsetof(jose_options_t, proof.method) },
    { 'U', offsetof(jose_options_t, proof.url) },
    { 'r', offsetof(jose_options_t, authz.redirect_uri) },
    { 'o', offsetof(jose_options_t, authz.scope) },
    { 'z', offsetof(jose_options_t, authz.state) },
    { 0, 0 }
};


/* in the order of oidc_introspect_e */

static const char *const  jose_modes[] = {
    "json", "jwt", "signed", "encrypted", NULL
};


static jose_block_t  *jose_blocks;

oidc_pool_t  jose_pool = { jose_alloc, NULL };


int
main(int argc, char **argv)
{
    int                    rc;
    size_t                 i;
    jose_keys_t            keys;
    jose_block_t          *block;
    jose_options_t         options;
    const jose_command_t  *command;

    static const oidc_str_t  sig = oidc_string("sig");

    for (command = jose_commands; command->name != NULL; command++) {
        if (argc > 1 && strcmp(command->name, argv[1]) == 0) {
            break;
        }
    }

    if (command->name == NULL) {
        return jose_usage("no such command");
    }

    if (argc < 2 + (int) command->keyset) {
        return jose_usage("KEYSET is needed");
    }

    memset(&keys, 0, sizeof(keys));
    (void) oidc_crypto_init();

    /* getopt passes over what stands in front of the options */

    rc = jose_read_options(argc - 1 - (int) command->keyset,
                           argv + 1 + (int) command->keyset, &options);
    options.own_alg = command->own_alg;

    if (command->signs) {
        options.use = sig;
    }

    if (rc == 0 && command->keyset) {
        rc = jose_read_keys(argv[2], &options, &keys);
    }

    if (rc == 0) {
        rc = command->run(&options, &keys);
    }

    oidc_jwks_free(keys.jwks);
    oidc_key_free(&keys.own);

    for (i = 0; i < keys.private_n; i++) {
        oidc_key_free(&keys.private[i]);
    }

    oidc_crypto_free();

    while (jose_blocks != NULL) {
        block = jose_blocks;
        jose_blocks = block->next;
        free(block);
    }

    return rc;
}


int
jose_read_all(FILE *f, oidc_str_t *out)
{
    out->data = oidc_palloc(&jose_pool, JOSE_INPUT_MAX + 1);
    if (out->data == NULL) {
        return 0;
    }

    out->len = fread(out->data, 1, JOSE_INPUT_MAX + 1, f);

    return out->len <= JOSE_INPUT_MAX;
}


int
jose_read_input(oidc_str_t *input)
{
    if (!jose_read_all(stdin, input)) {
        return 0;
    }

    if (input->len && input->data[input->len - 1] == '\n') {
        input->len--;
    }

    return 1;
}


int
jose_read_token(oidc_str_t *token)
{
    return jose_read_input(token) && token->len != 0;
}


int
jose_usage(const char *why)
{
    const jose_command_t  *command;

    fprintf(stderr, "jose: %s\n", why);

    for (command = jose_commands; command->name != NULL; command++) {
        fprintf(stderr, "%s jose %s %s\n",
                command == jose_commands ? "usage:" : "      ",
                command->name, command->usage);
    }

    return JOSE_USAGE;
}


int
jose_refused(oidc_rc_t rc)
{
    fprintf(stderr, "%s: %s\n", oidc_rc_name(rc), oidc_rc_text(rc));

    return JOSE_REFUSED;
}


static int
jose_read_options(int argc, char **argv, jose_options_t *options)
{
    int  ch, rc;

    memset(options, 0, sizeof(jose_options_t));

    options->algs = OIDC_ALG_DEFAULT;
    options->expect.now = (int64_t) time(NULL);
    options->expect.skew = JOSE_SKEW;

    while ((ch = getopt_long(argc, argv, "", jose_long_options, NULL)) != -1) {
        rc = jose_read_option(ch, optarg, options);

        if (rc != 0) {
            return rc;
        }
    }

    return optind < argc ? jose_usage("too many arguments") : 0;
}


static int
jose_read_option(int ch, char *text, jose_options_t *options)
{
    oidc_str_t           arg;
    const jose_value_t  *value;

    arg.data = (u_char *) text;
    arg.len = text != NULL ? strlen(text) : 0;

    for (value = jose_values; value->ch != 0; value++) {
        if (value->ch == ch) {
            *(oidc_str_t *) ((char *) options + value->offset) = arg;
            options->has_nonce |= ch == 'N';
            return 0;
        }
    }

    switch (ch) {

    case 'a':
        options->alg = arg;
        return jose_read_algs(text, options) ? 0
                                             : jose_usage("an unknown --alg");

    case 't':
        return jose_read_typs(text, options) ? 0
                                             : jose_usage("too many --typ");

    case 'e':
        return jose_read_encs(text, options) ? 0
                                             : jose_usage("an unknown --enc");

    case 'M':
        return jose_read_mode(text, options) ? 0
                                             : jose_usage("an unknown --mode");

    case 'T':
        options->thumbprint = 1;
        return 0;

    case 'S':
        options->strict = 1;
        return 0;

    case 'n':
        options->expect.now = strtoll(text, NULL, 10);
        return 0;

    case 's':
        options->expect.skew = strtoll(text, NULL, 10);
        return 0;

    default:
        return jose_usage("an unknown option");
    }
}


/* of a JWS or of a JWE, each with a mask of its own */

static int
jose_read_algs(char *names, jose_options_t *options)
{
    char        *copy, *name, *last;
    unsigned     alg, jwe_alg;
    oidc_str_t   str, text;

    str.data = (u_char *) names;
    str.len = strlen(names);

    if (oidc_str_dup(&jose_pool, &str, &text) != OIDC_OK) {
        return 0;
    }

    options->algs = 0;
    options->jwe_algs = 0;
    copy = (char *) text.data;

    for (name = strtok_r(copy, ",", &last);
         name != NULL;
         name = strtok_r(NULL, ",", &last))
    {
        str.data = (u_char *) name;
        str.len = strlen(name);
        alg = oidc_jws_alg(&str);
        jwe_alg = oidc_jwe_alg(&str);

        if (alg == 0 && jwe_alg == 0) {
            return 0;
        }

        options->algs |= alg;
        options->jwe_algs |= jwe_alg;
    }

    return 1;
}


static int
jose_read_encs(char *names, jose_options_t *options)
{
    char        *name, *last;
    unsigned     enc;
    oidc_str_t   str;

    options->encs = 0;

    for (name = strtok_r(names, ",", &last);
         name != NULL;
         name = strtok_r(NULL, ",", &last))
    {
        str.data = (u_char *) name;
        str.len = strlen(name);
        enc = oidc_jwe_enc(&str);

        if (enc == 0) {
            return 0;
        }

        options->encs |= enc;
    }

    return 1;
}


static int
jose_read_typs(char *names, jose_options_t *options)
{
    char    *name, *last;
    size_t   n;

    n = 0;

    for (name = strtok_r(names, ",", &last);
         name != NULL;
         name = strtok_r(NULL, ",", &last))
    {
        if (n == JOSE_TYPS_MAX) {
            return 0;
        }

        options->typs[n++] = name;
    }

    options->typs[n] = NULL;

    return 1;
}


static int
jose_read_mode(const char *name, jose_options_t *options)
{
    size_t  i;

    for (i = 0; jose_modes[i] != NULL; i++) {
        if (strcmp(jose_modes[i], name) == 0) {
            options->mode = (oidc_introspect_e) i;
            options->has_mode = 1;
            return 1;
        }
    }

    return 0;
}


static void *
jose_alloc(void *owner, size_t size)
{
    jose_block_t  *block;

    (void) owner;

    block = malloc(sizeof(jose_block_t) + size);
    if (block == NULL) {
        return NULL;
    }

    block->next = jose_blocks;
    jose_blocks = block;

    return block->data;
}
