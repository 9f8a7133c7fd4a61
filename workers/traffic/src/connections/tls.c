// SPDX-License-Identifier: Apache-2.0
#include "tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

// --- the socket, as OpenSSL sees it ---------------------------------------------------------------------------------

static int socket_write(BIO *bio, const char *data, size_t size, size_t *written)
{
	struct tls *tls = BIO_get_data(bio);
	BIO_clear_retry_flags(bio);
	ssize_t sent = send(tls->fd, data, size, MSG_NOSIGNAL);
	if (sent >= 0) {
		*written = (size_t)sent;
		return 1;
	}
	if (errno == EAGAIN)
		BIO_set_retry_write(bio);
	else
		tls->error = errno;
	return 0;
}

static int socket_read(BIO *bio, char *data, size_t room, size_t *got)
{
	struct tls *tls = BIO_get_data(bio);
	BIO_clear_retry_flags(bio);
	if (!tls->input_size) {
		BIO_set_retry_read(bio); // the caller knows when the stream has ended
		return 0;
	}
	*got = room < tls->input_size ? room : tls->input_size;
	memcpy(data, tls->input, *got);
	tls->input += *got;
	tls->input_size -= *got;
	return 1;
}

static long socket_control(BIO *bio, int command, long number, void *pointer)
{
	(void)bio, (void)number, (void)pointer;
	return command == BIO_CTRL_FLUSH; // every write is sent at once
}

// One for all threads: made before they start, by the first context.
static BIO_METHOD *socket_method(void)
{
	static BIO_METHOD *method;
	if (method)
		return method;
	BIO_METHOD *made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
	if (made && BIO_meth_set_write_ex(made, socket_write) && BIO_meth_set_read_ex(made, socket_read) &&
	    BIO_meth_set_ctrl(made, socket_control))
		return method = made;
	BIO_meth_free(made);
	return NULL;
}

// --- what connections share ------------------------------------------------------------------------------------------

// Keeps the ticket of the latest session. Returns 1 if the session is ours from now on.
static int keep_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls_context *context = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	if (!context->resume_percent || !SSL_SESSION_is_resumable(session))
		return 0;
	SSL_SESSION_free(context->session);
	context->session = session;
	return 1;
}

static bool offer_alpn(SSL_CTX *ssl, const char *alpn)
{
	unsigned char list[32];
	size_t size = alpn ? strlen(alpn) : 0;
	if (!size || size >= sizeof list)
		return !size;
	list[0] = (unsigned char)size;
	memcpy(list + 1, alpn, size);
	return SSL_CTX_set_alpn_protos(ssl, list, (unsigned)size + 1) == 0; // 0 is success, of this function alone
}

static bool expect_server(SSL_CTX *ssl, const union address *server)
{
	bool v6 = server->any.sa_family == AF_INET6;
	const void *bytes = v6 ? (const void *)&server->v6.sin6_addr : (const void *)&server->v4.sin_addr;
	size_t size = v6 ? sizeof server->v6.sin6_addr : sizeof server->v4.sin_addr;
	SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, NULL);
	return X509_VERIFY_PARAM_set1_ip(SSL_CTX_get0_param(ssl), bytes, size);
}

static bool configure(struct tls_context *context, const char *authority, const union address *server)
{
	SSL_CTX *ssl = context->ssl;
	if (!socket_method() || !SSL_CTX_set_min_proto_version(ssl, TLS1_3_VERSION) || !offer_alpn(ssl, context->alpn))
		return false;
	SSL_CTX_set_app_data(ssl, context);
	// A request is retried from where it was, in one record after another.
	SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ssl, keep_session);
	return !context->verifies || (SSL_CTX_load_verify_file(ssl, authority) == 1 && expect_server(ssl, server));
}

static void explain_queue(char *text, size_t size)
{
	unsigned long error = ERR_peek_error(); // the first one: later ones say only where it was noticed
	const char *reason = ERR_SYSTEM_ERROR(error) ? strerror(ERR_GET_REASON(error)) : ERR_reason_error_string(error);
	snprintf(text, size, "%s", reason ? reason : "no memory");
}

struct tls_context *tls_context_new(const char *authority, const union address *server, const char *alpn,
				    unsigned resume_percent, char *why, size_t why_size)
{
	struct tls_context *context = calloc(1, sizeof *context);
	ERR_clear_error();
	if (context) {
		context->alpn = alpn;
		context->resume_percent = resume_percent;
		context->verifies = strcmp(authority, TLS_UNVERIFIED) != 0;
		context->ssl = SSL_CTX_new(TLS_client_method());
		if (context->ssl && configure(context, authority, server))
			return context;
	}
	explain_queue(why, why_size);
	tls_context_free(context);
	return NULL;
}

void tls_context_free(struct tls_context *context)
{
	if (!context)
		return;
	SSL_SESSION_free(context->session);
	SSL_CTX_free(context->ssl);
	free(context);
}

static void count_kind(struct tls_context *context, const char *words, uint64_t count)
{
	for (int i = 0; i < TLS_KINDS; i++) {
		struct tls_kind *kind = &context->kinds[i];
		if (kind->count && strcmp(kind->words, words) != 0 && i < TLS_KINDS - 1)
			continue;
		if (!kind->count) // the last one counts all that have no place
			snprintf(kind->words, sizeof kind->words, "%s", words);
		kind->count += count;
		return;
	}
}

void tls_add(struct tls_context *to, const struct tls_context *from)
{
	to->verified += from->verified;
	for (int i = 0; i < TLS_KINDS && from->kinds[i].count; i++)
		count_kind(to, from->kinds[i].words, from->kinds[i].count);
}

// --- a connection ----------------------------------------------------------------------------------------------------

// Every Nth connection resumes the latest session, so that the share is exact.
static void offer_session(struct tls_context *context, SSL *ssl)
{
	if (context->owed_percent < 100)
		context->owed_percent += context->resume_percent;
	if (context->owed_percent >= 100 && context->session && SSL_set_session(ssl, context->session))
		context->owed_percent -= 100;
}

bool tls_begin(struct tls *tls, struct tls_context *context, int fd, uint64_t now)
{
	*tls = (struct tls){.context = context, .fd = fd, .began_ns = now};
	BIO *bio = BIO_new(socket_method());
	tls->ssl = bio ? SSL_new(context->ssl) : NULL;
	if (!tls->ssl) {
		BIO_free(bio);
		return false;
	}
	BIO_set_data(bio, tls);
	BIO_set_init(bio, 1);
	SSL_set_bio(tls->ssl, bio, bio);
	SSL_set_connect_state(tls->ssl);
	offer_session(context, tls->ssl);
	return true;
}

static enum tls_result result_of(struct tls *tls)
{
	switch (SSL_get_error(tls->ssl, 0)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return TLS_WAITS;
	case SSL_ERROR_ZERO_RETURN:
		tls->closed = true;
		return TLS_CLOSED;
	default:
		tls->broken = true; // after this OpenSSL forbids a farewell
		return TLS_FAILED;
	}
}

// Whether the server chose the protocol that was asked for.
static bool is_agreed(const struct tls_context *context, const unsigned char *chosen, unsigned size)
{
	return !context->alpn || (size == strlen(context->alpn) && !memcmp(chosen, context->alpn, size));
}

enum tls_result tls_handshake(struct tls *tls)
{
	struct tls_context *context = tls->context;
	const unsigned char *chosen;
	unsigned size;
	char words[sizeof context->kinds->words];
	ERR_clear_error();
	if (SSL_do_handshake(tls->ssl) != 1)
		return result_of(tls);
	SSL_get0_alpn_selected(tls->ssl, &chosen, &size);
	if (!is_agreed(context, chosen, size))
		return TLS_FAILED;
	snprintf(words, sizeof words, "%s %s%s%.*s%s", SSL_get_version(tls->ssl), SSL_get_cipher_name(tls->ssl),
		 size ? " " : "", (int)size, (const char *)chosen, SSL_session_reused(tls->ssl) ? " resumed" : "");
	count_kind(context, words, 1);
	// A resumed session has the result of the handshake that it began with.
	context->verified += context->verifies && SSL_get_verify_result(tls->ssl) == X509_V_OK;
	tls->established = true;
	return TLS_DONE;
}

void tls_feed(struct tls *tls, const void *data, size_t size)
{
	tls->input = data;
	tls->input_size = size;
}

enum tls_result tls_read(struct tls *tls, void *data, size_t room, size_t *got)
{
	ERR_clear_error();
	return SSL_read_ex(tls->ssl, data, room, got) ? TLS_DONE : result_of(tls);
}

ssize_t tls_send(struct tls *tls, const void *data, size_t size)
{
	size_t sent;
	ERR_clear_error();
	if (SSL_write_ex(tls->ssl, data, size, &sent))
		return (ssize_t)sent;
	errno = result_of(tls) == TLS_WAITS ? EAGAIN : tls->error ? tls->error : EPROTO;
	return -1;
}

void tls_end(struct tls *tls)
{
	if (!tls->ssl)
		return;
	ERR_clear_error();
	// To a peer that has closed already, a farewell is an unexpected segment, which it answers with a reset.
	if (tls->established && !tls->broken && !tls->closed)
		SSL_shutdown(tls->ssl);
	// Without both farewells OpenSSL would take the session for a suspicious one, and never resume it.
	if (tls->established && !tls->broken)
		SSL_set_shutdown(tls->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(tls->ssl);
	*tls = (struct tls){0};
}

void tls_explain(const struct tls *tls, char *text, size_t size)
{
	long verdict = tls->ssl ? SSL_get_verify_result(tls->ssl) : X509_V_OK;
	if (tls->context && tls->context->verifies && verdict != X509_V_OK)
		snprintf(text, size, "%s", X509_verify_cert_error_string(verdict));
	else if (ERR_peek_last_error())
		explain_queue(text, size);
	else
		snprintf(text, size, "the peer chose no common protocol, or closed during the handshake");
}
