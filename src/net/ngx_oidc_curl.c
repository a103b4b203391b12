
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Decides how a document is fetched: which options libcurl gets, what bounds
 * an answer has, and how libcurl's sockets and its timer become nginx events.
 * Never decides what is fetched or when.  TLS as RFC 9325 wants it: verified,
 * 1.2 at least.  The only file that includes libcurl.
 *
 * A watched socket belongs to libcurl's socket callback, which may end it at
 * any time: nobody touches one after curl_multi_socket_action().
 *
 * libcurl leaves errors of OpenSSL behind, which nginx would take for those of
 * its own next connection: they are cleared wherever we come back from it.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <curl/curl.h>
#include <openssl/err.h>

#include "ngx_oidc_answer.h"
#include "ngx_oidc_curl.h"
#include "ngx_oidc_watch.h"


/* started and neither done nor cancelled; freed after done has returned */

typedef struct {
    ngx_queue_t         queue;
    ngx_oidc_fetch_t   *fetch;
    CURL               *easy;
    struct curl_slist  *headers;
    ngx_oidc_answer_t   answer;
    long                status;
    char                error[CURL_ERROR_SIZE];
    char                type[128];
    char                addr[NGX_SOCKADDR_STRLEN];
} ngx_oidc_curl_transfer_t;


typedef struct {
    CURLM              *multi;
    ngx_event_t         timer;
    ngx_queue_t         transfers;
    ngx_queue_t         sockets;
} ngx_oidc_curl_t;


static ngx_int_t ngx_oidc_curl_setup(ngx_oidc_curl_transfer_t *t);
static CURLcode ngx_oidc_curl_setup_fetch(ngx_oidc_curl_transfer_t *t);
static CURLcode ngx_oidc_curl_setup_url(ngx_oidc_curl_transfer_t *t);
static void ngx_oidc_curl_free(ngx_oidc_curl_transfer_t *t);
static int ngx_oidc_curl_socket(CURL *easy, curl_socket_t s, int what,
    void *data, void *socket_data);
static curl_socket_t ngx_oidc_curl_open(void *data, curlsocktype purpose,
    struct curl_sockaddr *addr);
static int ngx_oidc_curl_timer(CURLM *multi, long ms, void *data);
static void ngx_oidc_curl_socket_handler(ngx_socket_t s, ngx_uint_t write,
    void *data);
static void ngx_oidc_curl_timer_handler(ngx_event_t *ev);
static void ngx_oidc_curl_act(curl_socket_t s, int flags);
static void ngx_oidc_curl_finish(ngx_oidc_curl_transfer_t *t,
    CURLcode result);
static oidc_rc_t ngx_oidc_curl_verdict(ngx_oidc_curl_transfer_t *t,
    CURLcode result);
static size_t ngx_oidc_curl_header(char *p, size_t size, size_t n,
    void *data);
static size_t ngx_oidc_curl_body(char *p, size_t size, size_t n, void *data);


/* what every transfer has in common */

static const struct {
    CURLoption   option;
    long         value;
} ngx_oidc_curl_options[] = {

    /* signals belong to nginx */
    { CURLOPT_NOSIGNAL, 1L },

    /*
     * without it, the end of a transfer joins its resolver thread: a silent
     * name server was seen to block the worker for 9 s
     */
#if (LIBCURL_VERSION_NUM >= 0x075700)
    { CURLOPT_QUICK_EXIT, 1L },
#endif

    /* the operator names the provider, and no answer names another */
    { CURLOPT_FOLLOWLOCATION, 0L },
    { CURLOPT_NETRC, CURL_NETRC_IGNORED },
    { CURLOPT_DISALLOW_USERNAME_IN_URL, 1L },
    { CURLOPT_PATH_AS_IS, 1L },

    /*
     * transfers are minutes apart: an idle connection, which nobody watches,
     * or a remembered address would only be stale
     */
    { CURLOPT_FRESH_CONNECT, 1L },
    { CURLOPT_FORBID_REUSE, 1L },
    { CURLOPT_DNS_CACHE_TIMEOUT, 0L },

    { CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1 },
    { CURLOPT_HTTP09_ALLOWED, 0L },
    { CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2 }
};


static ngx_oidc_curl_t  ngx_oidc_curl;


ngx_int_t
ngx_oidc_curl_init_process(ngx_cycle_t *cycle)
{
    ngx_event_t             *ev;
    curl_version_info_data  *info;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "oidc: curl_global_init() failed");
        return NGX_ERROR;
    }

    info = curl_version_info(CURLVERSION_NOW);

    if (!(info->features & CURL_VERSION_ASYNCHDNS)) {
        ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                      "oidc: libcurl %s has no asynchronous resolver, "
                      "workers will block on host names", info->version);
    }

    ngx_queue_init(&ngx_oidc_curl.transfers);
    ngx_queue_init(&ngx_oidc_curl.sockets);

    ev = &ngx_oidc_curl.timer;
    ngx_memzero(ev, sizeof(ngx_event_t));
    ev->handler = ngx_oidc_curl_timer_handler;
    ev->data = &ngx_oidc_curl;
    ev->log = cycle->log;
    ev->cancelable = 1;

    ngx_oidc_curl.multi = curl_multi_init();
    if (ngx_oidc_curl.multi == NULL) {
        return NGX_ERROR;
    }

    curl_multi_setopt(ngx_oidc_curl.multi, CURLMOPT_SOCKETFUNCTION,
                      ngx_oidc_curl_socket);
    curl_multi_setopt(ngx_oidc_curl.multi, CURLMOPT_TIMERFUNCTION,
                      ngx_oidc_curl_timer);

    return NGX_OK;
}


void
ngx_oidc_curl_exit_process(ngx_cycle_t *cycle)
{
    ngx_queue_t               *q;
    ngx_oidc_curl_transfer_t  *t;

    if (ngx_oidc_curl.multi == NULL) {
        return;
    }

    while (!ngx_queue_empty(&ngx_oidc_curl.transfers)) {
        q = ngx_queue_head(&ngx_oidc_curl.transfers);
        t = ngx_queue_data(q, ngx_oidc_curl_transfer_t, queue);
        ngx_oidc_fetch_cancel(t->fetch);
    }

    curl_multi_cleanup(ngx_oidc_curl.multi);
    ngx_oidc_curl.multi = NULL;

    if (ngx_oidc_curl.timer.timer_set) {
        ngx_del_timer(&ngx_oidc_curl.timer);
    }

    curl_global_cleanup();
}


ngx_int_t
ngx_oidc_fetch_start(ngx_oidc_fetch_t *f)
{
    ngx_oidc_curl_transfer_t  *t;

    f->status = 0;
    f->max_age = -1;
    f->error = "";
    f->transfer = NULL;
    ngx_str_null(&f->content_type);
    ngx_str_null(&f->body);
    ngx_str_null(&f->addr);

    if (ngx_oidc_curl.multi == NULL) {
        return NGX_ERROR;
    }

    t = ngx_calloc(sizeof(ngx_oidc_curl_transfer_t), f->log);
    if (t == NULL) {
        return NGX_ERROR;
    }

    t->fetch = f;
    ngx_oidc_answer_init(&t->answer, f->max);

    if (ngx_oidc_curl_setup(t) != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, f->log, 0,
                      "oidc: libcurl refuses a transfer: %s", t->error);
        ngx_oidc_curl_free(t);
        return NGX_ERROR;
    }

    ngx_queue_insert_tail(&ngx_oidc_curl.transfers, &t->queue);
    f->transfer = t;

    return NGX_OK;
}


void
ngx_oidc_fetch_cancel(ngx_oidc_fetch_t *f)
{
    ngx_oidc_curl_transfer_t  *t;

    t = f->transfer;

    if (t == NULL) {
        return;
    }

    f->transfer = NULL;

    ngx_queue_remove(&t->queue);
    curl_multi_remove_handle(ngx_oidc_curl.multi, t->easy);
    ngx_oidc_curl_free(t);
}


/* the first action comes by libcurl's timer, so nothing ends in here */

static ngx_int_t
ngx_oidc_curl_setup(ngx_oidc_curl_transfer_t *t)
{
    CURLcode    rc;
    CURLMcode   mrc;
    ngx_uint_t  i, n;

    t->easy = curl_easy_init();
    if (t->easy == NULL) {
        return NGX_ERROR;
    }

    rc = curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->error);

    n = sizeof(ngx_oidc_curl_options) / sizeof(ngx_oidc_curl_options[0]);

    for (i = 0; i < n && rc == CURLE_OK; i++) {
        rc = curl_easy_setopt(t->easy, ngx_oidc_curl_options[i].option,
                              ngx_oidc_curl_options[i].value);
    }

    if (rc == CURLE_OK) {
        rc = ngx_oidc_curl_setup_fetch(t);
    }

    if (rc != CURLE_OK) {
        ngx_cpystrn((u_char *) t->error, (u_char *) curl_easy_strerror(rc),
                    CURL_ERROR_SIZE);
        return NGX_ERROR;
    }

    mrc = curl_multi_add_handle(ngx_oidc_curl.multi, t->easy);

    if (mrc != CURLM_OK) {
        ngx_cpystrn((u_char *) t->error, (u_char *) curl_multi_strerror(mrc),
                    CURL_ERROR_SIZE);
        return NGX_ERROR;
    }

    return NGX_OK;
}


#define ngx_oidc_curl_set(t, option, value)                                   \
    if ((rc = curl_easy_setopt((t)->easy, option, value)) != CURLE_OK) {      \
        return rc;                                                            \
    }


static CURLcode
ngx_oidc_curl_setup_fetch(ngx_oidc_curl_transfer_t *t)
{
    CURLcode           rc;
    u_char             accept[256];
    ngx_oidc_fetch_t  *f;

    f = t->fetch;

    rc = ngx_oidc_curl_setup_url(t);
    if (rc != CURLE_OK) {
        return rc;
    }

    ngx_oidc_curl_set(t, CURLOPT_PRIVATE, (void *) t);
    ngx_oidc_curl_set(t, CURLOPT_HEADERFUNCTION, ngx_oidc_curl_header);
    ngx_oidc_curl_set(t, CURLOPT_HEADERDATA, (void *) t);
    ngx_oidc_curl_set(t, CURLOPT_WRITEFUNCTION, ngx_oidc_curl_body);
    ngx_oidc_curl_set(t, CURLOPT_WRITEDATA, (void *) t);
    ngx_oidc_curl_set(t, CURLOPT_OPENSOCKETFUNCTION, ngx_oidc_curl_open);
    ngx_oidc_curl_set(t, CURLOPT_USERAGENT, "nginx-oidc");

    /* no proxy, whatever the environment says */
    ngx_oidc_curl_set(t, CURLOPT_PROXY, "");

    ngx_oidc_curl_set(t, CURLOPT_CONNECTTIMEOUT_MS, (long) f->connect_timeout);
    ngx_oidc_curl_set(t, CURLOPT_TIMEOUT_MS, (long) f->timeout);
    ngx_oidc_curl_set(t, CURLOPT_CONNECT_ONLY, (long) f->connect_only);
    ngx_oidc_curl_set(t, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t) f->max);

    ngx_oidc_curl_set(t, CURLOPT_SSL_VERIFYPEER, f->insecure ? 0L : 1L);
    ngx_oidc_curl_set(t, CURLOPT_SSL_VERIFYHOST, f->insecure ? 0L : 2L);

    /* the directory of the system's CAs would be trusted beside the file */

    if (f->ca_file.len) {
        ngx_oidc_curl_set(t, CURLOPT_CAINFO, (char *) f->ca_file.data);
        ngx_oidc_curl_set(t, CURLOPT_CAPATH, (char *) NULL);
    }

    if (f->crl_file.len) {
        ngx_oidc_curl_set(t, CURLOPT_CRLFILE, (char *) f->crl_file.data);
    }

    if (f->accept.len) {
        *ngx_snprintf(accept, sizeof(accept) - 1, "Accept: %V", &f->accept)
            = '\0';

        t->headers = curl_slist_append(NULL, (char *) accept);
        if (t->headers == NULL) {
            return CURLE_OUT_OF_MEMORY;
        }

        ngx_oidc_curl_set(t, CURLOPT_HTTPHEADER, t->headers);
    }

    return CURLE_OK;
}


static CURLcode
ngx_oidc_curl_setup_url(ngx_oidc_curl_transfer_t *t)
{
    char              *url;
    CURLcode           rc;
    ngx_oidc_fetch_t  *f;

    f = t->fetch;

#if (LIBCURL_VERSION_NUM >= 0x075500)
    ngx_oidc_curl_set(t, CURLOPT_PROTOCOLS_STR,
                      f->allow_http ? "http,https" : "https");
#else
    ngx_oidc_curl_set(t, CURLOPT_PROTOCOLS,
                      f->allow_http ? (long) (CURLPROTO_HTTP | CURLPROTO_HTTPS)
                                    : (long) CURLPROTO_HTTPS);
#endif

    url = ngx_alloc(f->url.len + 1, f->log);
    if (url == NULL) {
        return CURLE_OUT_OF_MEMORY;
    }

    ngx_cpystrn((u_char *) url, f->url.data, f->url.len + 1);

    rc = curl_easy_setopt(t->easy, CURLOPT_URL, url);

    ngx_free(url);

    return rc;
}


static void
ngx_oidc_curl_free(ngx_oidc_curl_transfer_t *t)
{
    if (t->easy != NULL) {
        curl_easy_cleanup(t->easy);
        ERR_clear_error();
    }

    curl_slist_free_all(t->headers);

    ngx_oidc_answer_free(&t->answer);
    ngx_free(t);
}


/*
 * libcurl tells what it wants of a socket, in the end that it wants nothing.
 * A negative result would break the multi handle for good; a socket that
 * cannot be watched ends by its timeout instead.
 */

static int
ngx_oidc_curl_socket(CURL *easy, curl_socket_t s, int what, void *data,
    void *socket_data)
{
    ngx_oidc_watch_t  *w;

    w = socket_data;

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, ngx_cycle->log, 0,
                   "oidc curl socket %d wants %d", (int) s, what);

    if (what == CURL_POLL_REMOVE) {
        if (w != NULL) {
            ngx_oidc_watch_remove(w);
        }

        return 0;
    }

    if (w == NULL) {
        w = ngx_oidc_watch_add(&ngx_oidc_curl.sockets, s,
                               ngx_oidc_curl_socket_handler, NULL);
        if (w == NULL) {
            return 0;
        }

        curl_multi_assign(ngx_oidc_curl.multi, s, w);
    }

    ngx_oidc_watch_set(w, what & CURL_POLL_IN, what & CURL_POLL_OUT);

    return 0;
}


static curl_socket_t
ngx_oidc_curl_open(void *data, curlsocktype purpose,
    struct curl_sockaddr *addr)
{
    curl_socket_t  s;

    s = socket(addr->family, addr->socktype, addr->protocol);

    if (s != CURL_SOCKET_BAD) {
        ngx_oidc_watch_opened(&ngx_oidc_curl.sockets, s);
    }

    return s;
}


static int
ngx_oidc_curl_timer(CURLM *multi, long ms, void *data)
{
    ngx_event_t  *ev;

    ev = &ngx_oidc_curl.timer;

    /* ngx_add_timer() takes a change of less than 300 ms for none */

    if (ev->timer_set) {
        ngx_del_timer(ev);
    }

    if (ms >= 0) {
        ngx_add_timer(ev, (ngx_msec_t) ms);
    }

    return 0;
}


static void
ngx_oidc_curl_socket_handler(ngx_socket_t s, ngx_uint_t write, void *data)
{
    ngx_oidc_curl_act(s, write ? CURL_CSELECT_OUT : CURL_CSELECT_IN);
}


static void
ngx_oidc_curl_timer_handler(ngx_event_t *ev)
{
    ngx_oidc_curl_act(CURL_SOCKET_TIMEOUT, 0);
}


static void
ngx_oidc_curl_act(curl_socket_t s, int flags)
{
    int         n;
    CURL       *easy;
    char       *t;
    CURLMsg    *msg;
    CURLcode    result;
    CURLMcode   rc;

    rc = curl_multi_socket_action(ngx_oidc_curl.multi, s, flags, &n);

    ERR_clear_error();

    if (rc != CURLM_OK) {
        ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, 0,
                      "oidc: curl_multi_socket_action() failed: %s",
                      curl_multi_strerror(rc));
    }

    for ( ;; ) {
        msg = curl_multi_info_read(ngx_oidc_curl.multi, &n);

        if (msg == NULL) {
            return;
        }

        if (msg->msg != CURLMSG_DONE) {
            continue;
        }

        /* the message goes with the handle */

        easy = msg->easy_handle;
        result = msg->data.result;
        t = NULL;

        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &t);

        ngx_oidc_curl_finish((ngx_oidc_curl_transfer_t *) (void *) t, result);
    }
}


static void
ngx_oidc_curl_finish(ngx_oidc_curl_transfer_t *t, CURLcode result)
{
    char              *s;
    oidc_rc_t          rc;
    ngx_oidc_fetch_t  *f;

    f = t->fetch;

    ngx_queue_remove(&t->queue);

    s = NULL;
    curl_easy_getinfo(t->easy, CURLINFO_PRIMARY_IP, &s);
    if (s != NULL) {
        ngx_cpystrn((u_char *) t->addr, (u_char *) s, sizeof(t->addr));
    }

    s = NULL;
    curl_easy_getinfo(t->easy, CURLINFO_CONTENT_TYPE, &s);
    if (s != NULL) {
        ngx_cpystrn((u_char *) t->type, (u_char *) s, sizeof(t->type));
    }

    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &t->status);

    curl_multi_remove_handle(ngx_oidc_curl.multi, t->easy);

    ERR_clear_error();

    f->transfer = NULL;
    f->status = (ngx_uint_t) t->status;
    f->max_age = t->answer.max_age;
    f->addr.data = (u_char *) t->addr;
    f->addr.len = ngx_strlen(t->addr);
    f->content_type.data = (u_char *) t->type;
    f->content_type.len = ngx_strlen(t->type);

    rc = ngx_oidc_curl_verdict(t, result);

    if (rc == OIDC_OK) {
        f->body.data = t->answer.body;
        f->body.len = t->answer.len;
    }

    ngx_log_debug3(NGX_LOG_DEBUG_EVENT, f->log, 0,
                   "oidc fetch \"%V\": %s, status %ui",
                   &f->url, oidc_rc_name(rc), f->status);

    f->done(f, rc);

    ngx_oidc_curl_free(t);
}


static oidc_rc_t
ngx_oidc_curl_verdict(ngx_oidc_curl_transfer_t *t, CURLcode result)
{
    ngx_oidc_fetch_t  *f;

    f = t->fetch;

    if (t->answer.too_large || result == CURLE_FILESIZE_EXCEEDED) {
        f->error = "larger than allowed";
        return OIDC_FETCH_SIZE;
    }

    if (result != CURLE_OK) {
        f->error = t->error[0] ? t->error : curl_easy_strerror(result);

        return (result == CURLE_OPERATION_TIMEDOUT) ? OIDC_FETCH_TIMEOUT
                                                    : OIDC_FETCH;
    }

    if (f->connect_only && f->addr.len) {
        return OIDC_OK;
    }

    if (f->status != 200) {
        f->error = "unexpected status";
        return OIDC_FETCH_STATUS;
    }

    return OIDC_OK;
}


static size_t
ngx_oidc_curl_header(char *p, size_t size, size_t n, void *data)
{
    ngx_oidc_curl_transfer_t *t = data;

    if (ngx_oidc_answer_header(&t->answer, (u_char *) p, size * n) != NGX_OK) {
        return 0;
    }

    return size * n;
}


static size_t
ngx_oidc_curl_body(char *p, size_t size, size_t n, void *data)
{
    ngx_oidc_curl_transfer_t *t = data;

    if (ngx_oidc_answer_body(&t->answer, (u_char *) p, size * n, t->fetch->log)
        != NGX_OK)
    {
        return 0;
    }

    return size * n;
}
