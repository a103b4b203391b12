
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Forwarded and its forerunners, as a trusted proxy writes them.  Who is
 * trusted is decided elsewhere; here is only what the text says (RFC 7239).
 */


#include <string.h>
#include <strings.h>

#include "oidc_forwarded.h"


static oidc_str_t oidc_forwarded_trim(const u_char *p, const u_char *last);
static const u_char *oidc_forwarded_end(const u_char *p, const u_char *last,
    u_char sep);


void
oidc_list_last(const oidc_str_t *header, oidc_str_t *element)
{
    const u_char  *p, *end, *last;

    p = header->data;
    last = p + header->len;

    while ((end = oidc_forwarded_end(p, last, ',')) != last) {
        p = end + 1;
    }

    *element = oidc_forwarded_trim(p, last);
}


int
oidc_forwarded(const oidc_str_t *header, const char *name, oidc_str_t *value)
{
    int            found;
    size_t         len;
    oidc_str_t     element, pair;
    const u_char  *p, *end, *last, *eq;

    oidc_list_last(header, &element);

    p = element.data;
    last = p + element.len;
    len = strlen(name);
    found = 0;

    for ( ;; ) {

        end = oidc_forwarded_end(p, last, ';');
        pair = oidc_forwarded_trim(p, end);
        eq = (pair.len != 0) ? memchr(pair.data, '=', pair.len) : NULL;

        if (eq != NULL && (size_t) (eq - pair.data) == len
            && strncasecmp((const char *) pair.data, name, len) == 0)
        {
            if (found) {
                return 0;
            }

            found = 1;
            value->data = (u_char *) eq + 1;
            value->len = pair.data + pair.len - value->data;
        }

        if (end == last) {
            break;
        }

        p = end + 1;
    }

    if (found && value->len >= 2 && value->data[0] == '"'
        && value->data[value->len - 1] == '"')
    {
        value->data++;
        value->len -= 2;
    }

    /* a backslash or a lone quote is nothing that a host or a scheme has */

    return found && value->len != 0
           && memchr(value->data, '"', value->len) == NULL
           && memchr(value->data, '\\', value->len) == NULL;
}


/* the next separator that does not stand between quotes, or "last" */

static const u_char *
oidc_forwarded_end(const u_char *p, const u_char *last, u_char sep)
{
    int  quoted;

    for (quoted = 0; p != last; p++) {

        if (*p == '"') {
            quoted = !quoted;

        } else if (*p == sep && !quoted) {
            break;
        }
    }

    return p;
}


static oidc_str_t
oidc_forwarded_trim(const u_char *p, const u_char *last)
{
    oidc_str_t  s;

    while (p != last && (*p == ' ' || *p == '\t')) {
        p++;
    }

    while (p != last && (last[-1] == ' ' || last[-1] == '\t')) {
        last--;
    }

    s.data = (u_char *) p;
    s.len = last - p;

    return s;
}
