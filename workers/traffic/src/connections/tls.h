// SPDX-License-Identifier: Apache-2.0
// TLS 1.3 as a client, over a non-blocking socket. The caller receives and hands over what came; records are sent with
// send(2) at once. Nothing here waits, and nothing here knows what is carried.
#ifndef SHOWDOWN_TLS_H
#define SHOWDOWN_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "address.h"

#define TLS_PLAIN_BYTES 16384u // of a record, at most (RFC 8446, 5.1)
#define TLS_KINDS 8	       // ways to negotiate that one target may show
#define TLS_UNVERIFIED "unverified"

struct ssl_ctx_st;
struct ssl_session_st;
struct ssl_st;

// How handshakes ended: "TLSv1.3 TLS_AES_256_GCM_SHA384 http/1.1", and " resumed" behind it for a resumed session.
struct tls_kind {
	char words[80];
	uint64_t count;
};

// What all connections of a thread to a target share.
struct tls_context {
	struct ssl_ctx_st *ssl;
	struct ssl_session_st *session; // the latest, if sessions are resumed
	const char *alpn;		// the protocol that the server must choose; NULL: none is offered
	unsigned resume_percent, owed_percent;
	bool verifies;
	uint64_t verified; // handshakes whose certificate was verified, or was when the session began
	struct tls_kind kinds[TLS_KINDS];
};

// One connection. Zeroed memory is a connection without TLS.
struct tls {
	struct tls_context *context;
	struct ssl_st *ssl; // NULL: not begun
	int fd, error;	    // error: errno of the socket's failure, or 0
	const uint8_t *input;
	size_t input_size;
	bool established, broken, closed; // closed: the peer has announced its end
	uint64_t began_ns;
};

enum tls_result { TLS_DONE, TLS_WAITS, TLS_CLOSED, TLS_FAILED };

// `authority` is a file with the only certificates that are trusted, or TLS_UNVERIFIED. The server's certificate must
// name `server`. Returns NULL with the reason in `why`.
struct tls_context *tls_context_new(const char *authority, const union address *server, const char *alpn,
				    unsigned resume_percent, char *why, size_t why_size);
void tls_context_free(struct tls_context *context);
// Adds up how connections were negotiated.
void tls_add(struct tls_context *to, const struct tls_context *from);

// Prepares a handshake on a connected socket. False: no memory.
bool tls_begin(struct tls *tls, struct tls_context *context, int fd, uint64_t now);
// Goes on with it. TLS_DONE: it is over, and counted in the context.
enum tls_result tls_handshake(struct tls *tls);
// Hands over bytes that the socket has received. They must stay until tls_handshake() or tls_read() has returned
// TLS_WAITS, which has then used all of them.
void tls_feed(struct tls *tls, const void *data, size_t size);
// Decrypts the next piece.
enum tls_result tls_read(struct tls *tls, void *data, size_t room, size_t *got);
// As send(2): the number of bytes that were sent, or -1 with errno. After EAGAIN the same bytes must be sent again.
ssize_t tls_send(struct tls *tls, const void *data, size_t size);
// Says goodbye if the peer still listens, and frees the connection's memory. The socket stays open.
void tls_end(struct tls *tls);
// Why the connection failed, in a few words.
void tls_explain(const struct tls *tls, char *text, size_t size);

#endif
