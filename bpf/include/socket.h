/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* For <uapi/linux/in.h> and <uapi/linux/tcp.h>, which come after this header.
 *
 * They include <linux/socket.h>. Among the kernel's headers that is not the UAPI's: it includes much of the kernel, and
 * a compilation takes three times as long. The UAPI's part is enough for them.
 */
#ifndef SHOWDOWN_SOCKET_H
#define SHOWDOWN_SOCKET_H

#define _LINUX_SOCKET_H /* as if <linux/socket.h> had been included */

#include <uapi/linux/socket.h>

#endif
