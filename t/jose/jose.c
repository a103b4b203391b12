
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The pure layer on the command line, so that anyone can put any published
 * vector through it.  Prints the payload and exits with 0, or the reason on
 * standard error with 1; 2 says that it was called wrongly.
 *
 * KEYSET is a file: a JWK Set, one JWK, or a private key in PEM.  An "oct" key
 * is taken as the shared secret, which only HS* named by --alg makes use of.
 * Private members are made use of by "decrypt" alone.
 */


#define _GNU_SOURCE    /* memmem() */

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "oidc_b64.h"
#include "oidc_idtoken.h"
#include "oidc_jwe.h"
#include "oidc_json.h"
#include "oidc_seal.h"


#define JOSE_INPUT_MAX   (1024 * 1024)
#define JOSE_TYPS_MAX    8
#define JOSE_SKEW        30

#define JOSE_REFUSED     1
#define JOSE_USAGE       2


typedef struct jose_block_s  jose_block_t;

struct jose_block_s {
    jose_block_t   *next;
    u_char          data[];
};


/* a key set as it was read: JSON and oct secret, or one private key */

typedef struct {
    oidc_jwks_t    *jwks;
    oidc_str_t      secret;
    oidc_key_t     *private;    /* those of the set that are */
    size_t          private_n;
    oidc_key_t      own;        /* of a PEM, kty OIDC_KTY_NONE otherwise */
} jose_keys_t;


typedef struct {
    unsigned        algs;
    unsigned        jwe_algs;
    unsigned        encs;
    const char     *typs[JOSE_TYPS_MAX + 1];
    oidc_str_t      use;
    oidc_str_t      alg;
    oidc_str_t      kid;
    oidc_expect_t   expect;
    oidc_str_t      audience;
    int             has_nonce;
    int             thumbprint;
    int             jwk;        /* --alg is for the key, not for a token */
} jose_options_t;


typedef struct {
    const char     *name;
    int           (*run)(jose_options_t *options, jose_keys_t *keys);
} jose_command_t;


static int jose_verify(jose_options_t *options, jose_keys_t *keys);
static int jose_decrypt(jose_options_t *options, jose_keys_t *keys);
static int jose_jwk(jose_options_t *options, jose_keys_t *keys);
static int jose_id_token(jose_options_t *options, jose_keys_t *keys);
static int jose_read_options(int argc, char **argv, jose_options_t *options);
static int jose_read_algs(char *names, jose_options_t *options);
static int jose_read_encs(char *names, jose_options_t *options);
static int jose_read_typs(char *names, jose_options_t *options);
static int jose_read_keys(const char *path, jose_options_t *options,
    jose_keys_t *keys);
static oidc_rc_t jose_read_jwks(const oidc_str_t *text, jose_keys_t *keys);
static oidc_rc_t jose_read_secret(const json_t *set, oidc_str_t *secret);
static oidc_rc_t jose_read_private(const json_t *set, jose_keys_t *keys);
static oidc_rc_t jose_own_jwks(jose_keys_t *keys);
static int jose_read_all(FILE *f, oidc_str_t *out);
static int jose_read_token(oidc_str_t *token);
static int jose_usage(const char *why);
static int jose_refused(oidc_rc_t rc);
static void *jose_alloc(void *owner, size_t size);


static const jose_command_t  jose_commands[] = {
    { "verify",   jose_verify },
    { "decrypt",  jose_decrypt },
    { "jwk",      jose_jwk },
    { "id-token", jose_id_token },
    { NULL, NULL }
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
    { NULL, 0, NULL, 0 }
};


static jose_block_t  *jose_blocks;
static oidc_pool_t    jose_pool = { jose_alloc, NULL };


int
main(int argc, char **argv)
{
    int                    rc;
    size_t                 i;
    jose_keys_t            keys;
    jose_block_t          *block;
    jose_options_t         options;
    const jose_command_t  *command;

    if (argc < 3) {
        return jose_usage("COMMAND and KEYSET are needed");
    }

    for (command = jose_commands; command->name != NULL; command++) {
        if (strcmp(command->name, argv[1]) == 0) {
            break;
        }
    }

    if (command->name == NULL) {
        return jose_usage("no such command");
    }

    memset(&keys, 0, sizeof(keys));
    (void) oidc_crypto_init();

    rc = jose_read_options(argc - 2, argv + 2, &options);
    options.jwk = command->run == jose_jwk;

    if (rc == 0) {
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


static int
jose_verify(jose_options_t *options, jose_keys_t *keys)
{
    oidc_rc_t          rc;
    oidc_jws_t         jws;
    oidc_str_t         token;
    oidc_jws_policy_t  policy;

    if (jose_own_jwks(keys) != OIDC_OK || !jose_read_token(&token)) {
        return jose_usage("a token on standard input is needed");
    }

    memset(&policy, 0, sizeof(oidc_jws_policy_t));

    policy.algs = options->algs;
    policy.jwks = keys->jwks;
    policy.secret = keys->secret;
    policy.typs = options->typs[0] != NULL ? options->typs : NULL;

    rc = oidc_jws_verify(&jose_pool, &token, &policy, &jws);
    if (rc != OIDC_OK) {
        return jose_refused(rc);
    }

    fwrite(jws.payload.data, 1, jws.payload.len, stdout);
    json_decref(jws.header);

    return 0;
}


/* a PEM goes by the kid that "jwk" shows, and does whatever it can */

static int
jose_decrypt(jose_options_t *options, jose_keys_t *keys)
{
    oidc_rc_t          rc;
    oidc_jwe_t         jwe;
    oidc_key_t         own;
    oidc_str_t         token;
    oidc_jwe_policy_t  policy;

    if (options->jwe_algs == 0 || options->encs == 0) {
        return jose_usage("decrypt needs --alg and --enc");
    }

    if (!jose_read_token(&token)) {
        return jose_usage("a token on standard input is needed");
    }

    memset(&own, 0, sizeof(oidc_key_t));
    own.pkey = keys->own.pkey;
    own.kty = keys->own.kty;
    own.crv = keys->own.crv;
    own.kid = keys->own.kid;

    memset(&policy, 0, sizeof(oidc_jwe_policy_t));
    policy.algs = options->jwe_algs;
    policy.encs = options->encs;
    policy.keys = own.pkey != NULL ? &own : keys->private;
    policy.n = own.pkey != NULL ? 1 : keys->private_n;

    rc = oidc_jwe_decrypt(&jose_pool, &token, &policy, &jwe);
    if (rc != OIDC_OK) {
        return jose_refused(rc);
    }

    fwrite(jwe.plaintext.data, 1, jwe.plaintext.len, stdout);
    json_decref(jwe.header);

    return 0;
}


static int
jose_jwk(jose_options_t *options, jose_keys_t *keys)
{
    size_t       i, n;
    u_char       thumbprint[43];
    oidc_key_t  *own;
    oidc_rc_t    rc;
    oidc_str_t   text;

    n = keys->jwks != NULL ? oidc_jwks_count(keys->jwks) : 1;

    own = oidc_palloc(&jose_pool, n * sizeof(oidc_key_t) + 1);
    if (own == NULL) {
        return jose_refused(OIDC_NOMEM);
    }

    for (i = 0; i < n; i++) {
        own[i] = keys->jwks != NULL ? *oidc_jwks_key(keys->jwks, i)
                                    : keys->own;

        if (options->thumbprint) {
            rc = oidc_key_thumbprint(&own[i], thumbprint);
            if (rc != OIDC_OK) {
                return jose_refused(rc);
            }

            printf("%.*s\n", (int) sizeof(thumbprint), thumbprint);
        }
    }

    if (options->thumbprint) {
        return 0;
    }

    rc = oidc_jwks_render(&jose_pool, own, n, &text);
    if (rc != OIDC_OK) {
        return jose_refused(rc);
    }

    printf("%.*s\n", (int) text.len, text.data);

    return 0;
}


static int
jose_id_token(jose_options_t *options, jose_keys_t *keys)
{
    char           *text;
    json_t         *claims;
    oidc_rc_t       rc;
    oidc_str_t      token;
    oidc_expect_t  *expect;

    expect = &options->expect;

    if (expect->issuer.len == 0 || expect->client_id.len == 0
        || !options->has_nonce)
    {
        return jose_usage("id-token needs --issuer, --client-id and --nonce");
    }

    if (jose_own_jwks(keys) != OIDC_OK || !jose_read_token(&token)) {
        return jose_usage("a token on standard input is needed");
    }

    expect->jwks = keys->jwks;
    expect->secret = keys->secret;
    expect->algs = options->algs;
    expect->trusted_audience = &options->audience;
    expect->trusted_audience_n = options->audience.len ? 1 : 0;

    rc = oidc_id_token_check(&jose_pool, &token, expect, &claims);
    if (rc != OIDC_OK) {
        return jose_refused(rc);
    }

    text = json_dumps(claims, JSON_COMPACT);

    if (text != NULL) {
        puts(text);
    }

    free(text);
    json_decref(claims);

    return 0;
}


static int
jose_read_options(int argc, char **argv, jose_options_t *options)
{
    int         ch;
    oidc_str_t  arg;

    memset(options, 0, sizeof(jose_options_t));

    options->algs = OIDC_ALG_DEFAULT;
    options->expect.now = (int64_t) time(NULL);
    options->expect.skew = JOSE_SKEW;

    while ((ch = getopt_long(argc, argv, "", jose_long_options, NULL)) != -1) {

        arg.data = (u_char *) optarg;
        arg.len = optarg != NULL ? strlen(optarg) : 0;

        switch (ch) {

        case 'a':
            options->alg = arg;
            if (!jose_read_algs(optarg, options)) {
                return jose_usage("an unknown --alg");
            }
            break;

        case 't':
            if (!jose_read_typs(optarg, options)) {
                return jose_usage("too many --typ");
            }
            break;

        case 'u':
            options->use = arg;
            break;

        case 'k':
            options->kid = arg;
            break;

        case 'T':
            options->thumbprint = 1;
            break;

        case 'e':
            if (!jose_read_encs(optarg, options)) {
                return jose_usage("an unknown --enc");
            }
            break;

        case 'n':
            options->expect.now = strtoll(optarg, NULL, 10);
            break;

        case 's':
            options->expect.skew = strtoll(optarg, NULL, 10);
            break;

        case 'i':
            options->expect.issuer = arg;
            break;

        case 'c':
            options->expect.client_id = arg;
            break;

        case 'A':
            options->audience = arg;
            break;

        case 'N':
            options->expect.nonce = arg;
            options->has_nonce = 1;
            break;

        case 'x':
            options->expect.access_token = arg;
            break;

        default:
            return jose_usage("an unknown option");
        }
    }

    return optind < argc ? jose_usage("too many arguments") : 0;
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
jose_read_keys(const char *path, jose_options_t *options, jose_keys_t *keys)
{
    FILE        *f;
    oidc_rc_t    rc;
    oidc_str_t   text, alg;
    const char  *why;

    f = fopen(path, "rb");
    if (f == NULL) {
        perror(path);
        return JOSE_USAGE;
    }

    if (!jose_read_all(f, &text)) {
        fclose(f);
        return jose_usage("KEYSET is too large");
    }

    fclose(f);

    if (memmem(text.data, text.len, "-----BEGIN", 10) == NULL) {
        rc = jose_read_jwks(&text, keys);
        return rc == OIDC_OK ? 0 : jose_refused(rc);
    }

    alg = options->alg;

    if (!options->jwk) {
        alg.len = 0;
    }

    rc = oidc_key_from_pem(&text, &options->use, &alg, &options->kid,
                           &keys->own, &why);
    if (rc != OIDC_OK) {
        fprintf(stderr, "%s: %s\n", oidc_rc_name(rc), why);
        return JOSE_REFUSED;
    }

    return 0;
}


/* a lone JWK is a set of one */

static oidc_rc_t
jose_read_jwks(const oidc_str_t *text, jose_keys_t *keys)
{
    char        *dump;
    json_t      *object, *set;
    oidc_rc_t    rc;
    oidc_str_t   str;

    rc = oidc_json_parse(text, OIDC_JWKS_MAX, &object);
    if (rc != OIDC_OK) {
        return rc;
    }

    set = json_object_get(object, "kty") != NULL
          ? json_pack("{s:[O]}", "keys", object) : json_incref(object);

    rc = jose_read_secret(set, &keys->secret);

    if (rc == OIDC_OK) {
        rc = jose_read_private(set, keys);
    }

    dump = json_dumps(set, JSON_COMPACT);

    if (rc == OIDC_OK && dump != NULL) {
        str.data = (u_char *) dump;
        str.len = strlen(dump);

        rc = oidc_jwks_parse(&str, &keys->jwks);
    }

    free(dump);
    json_decref(set);
    json_decref(object);

    return rc;
}


/* of the first oct key */

static oidc_rc_t
jose_read_secret(const json_t *set, oidc_str_t *secret)
{
    size_t       i;
    json_t      *jwk;
    oidc_str_t   kty, k;

    json_array_foreach(json_object_get(set, "keys"), i, jwk) {
        if (oidc_json_str(jwk, "kty", &kty) == 1
            && oidc_str_eq_cstr(&kty, "oct")
            && oidc_json_str(jwk, "k", &k) == 1)
        {
            return oidc_b64url_decode(&jose_pool, &k, secret);
        }
    }

    return OIDC_OK;
}


/* what is public only, or unusable, is left out */

static oidc_rc_t
jose_read_private(const json_t *set, jose_keys_t *keys)
{
    size_t      i, n;
    json_t     *jwk, *array;
    oidc_rc_t   rc;

    array = json_object_get(set, "keys");
    n = json_array_size(array);

    keys->private = oidc_palloc(&jose_pool, n * sizeof(oidc_key_t) + 1);
    if (keys->private == NULL) {
        return OIDC_NOMEM;
    }

    json_array_foreach(array, i, jwk) {
        if (json_object_get(jwk, "d") == NULL) {
            continue;
        }

        rc = oidc_key_from_private_jwk(jwk, &keys->private[keys->private_n]);

        if (rc == OIDC_OK) {
            keys->private_n++;

        } else if (rc != OIDC_KEY) {
            return rc;
        }
    }

    return OIDC_OK;
}


/* our own key verifies whatever it can, for tokens that name no key */

static oidc_rc_t
jose_own_jwks(jose_keys_t *keys)
{
    oidc_rc_t   rc;
    oidc_key_t  key;
    oidc_str_t  text;

    if (keys->jwks != NULL) {
        return OIDC_OK;
    }

    memset(&key, 0, sizeof(oidc_key_t));
    key.pkey = keys->own.pkey;
    key.kty = keys->own.kty;
    key.crv = keys->own.crv;

    rc = oidc_jwks_render(&jose_pool, &key, 1, &text);

    return rc == OIDC_OK ? oidc_jwks_parse(&text, &keys->jwks) : rc;
}


static int
jose_read_all(FILE *f, oidc_str_t *out)
{
    out->data = oidc_palloc(&jose_pool, JOSE_INPUT_MAX + 1);
    if (out->data == NULL) {
        return 0;
    }

    out->len = fread(out->data, 1, JOSE_INPUT_MAX + 1, f);

    return out->len <= JOSE_INPUT_MAX;
}


/* without the line break that an editor or echo left behind it */

static int
jose_read_token(oidc_str_t *token)
{
    if (!jose_read_all(stdin, token)) {
        return 0;
    }

    if (token->len && token->data[token->len - 1] == '\n') {
        token->len--;
    }

    return token->len != 0;
}


static int
jose_usage(const char *why)
{
    fprintf(stderr,
            "jose: %s\n"
            "usage: jose verify   KEYSET [--alg A,B] [--typ A,B] < token\n"
            "       jose id-token KEYSET --issuer URL --client-id ID --nonce N"
            "\n"
            "                     [--alg A,B] [--now T] [--skew S]"
            " [--audience ID]\n"
            "                     [--access-token TOKEN] < token\n"
            "       jose jwk      KEYSET [--thumbprint] [--use U] [--alg A]"
            " [--kid K]\n"
            "       jose decrypt  KEYSET --alg A,B --enc E,F < token\n",
            why);

    return JOSE_USAGE;
}


static int
jose_refused(oidc_rc_t rc)
{
    fprintf(stderr, "%s: %s\n", oidc_rc_name(rc), oidc_rc_text(rc));

    return JOSE_REFUSED;
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
