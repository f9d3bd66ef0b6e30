/* SPDX-License-Identifier: Apache-2.0
 *
 * What DPDK offers only as inline functions, macros or structures whose layout
 * changes between releases, as plain functions and constants. Nothing here
 * keeps state; every function is a thin call into DPDK.
 */
#ifndef TWINLINE_DPDK_SHIM_H
#define TWINLINE_DPDK_SHIM_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <rte_version.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_dev.h>
#include <rte_devargs.h>
#include <rte_cycles.h>
#include <rte_ring.h>
#include <rte_mempool.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_ethdev.h>
#include <rte_eth_ring.h>
#include <rte_pdump.h>
#include <rte_telemetry.h>
#include <rte_launch.h>
#include <rte_lpm.h>
#include <rte_fib6.h>
#include <rte_vect.h>

/* The release that these bindings were built against. */
enum shim_version {
	SHIM_VER_YEAR = RTE_VER_YEAR,
	SHIM_VER_MONTH = RTE_VER_MONTH,
	SHIM_VER_MINOR = RTE_VER_MINOR,
};

enum shim_limits {
	SHIM_MAX_ETHPORTS = RTE_MAX_ETHPORTS,
	SHIM_MAX_QUEUES_PER_PORT = RTE_MAX_QUEUES_PER_PORT,
	SHIM_MAX_LCORE = RTE_MAX_LCORE,
	SHIM_MEMPOOL_CACHE_MAX = RTE_MEMPOOL_CACHE_MAX_SIZE,
	SHIM_MBUF_HEADROOM = RTE_PKTMBUF_HEADROOM,
	SHIM_MBUF_DEFAULT_BUF_SIZE = RTE_MBUF_DEFAULT_BUF_SIZE,
};

/* Where the fields of struct rte_mbuf lie: its anonymous unions get other names
 * from release to release, the fields themselves do not. shim.c asserts the
 * width of each. */
enum shim_mbuf_offset {
	SHIM_MBUF_BUF_ADDR = offsetof(struct rte_mbuf, buf_addr),
	SHIM_MBUF_DATA_OFF = offsetof(struct rte_mbuf, data_off),
	SHIM_MBUF_NB_SEGS = offsetof(struct rte_mbuf, nb_segs),
	SHIM_MBUF_PORT = offsetof(struct rte_mbuf, port),
	SHIM_MBUF_OL_FLAGS = offsetof(struct rte_mbuf, ol_flags),
	SHIM_MBUF_PKT_LEN = offsetof(struct rte_mbuf, pkt_len),
	SHIM_MBUF_DATA_LEN = offsetof(struct rte_mbuf, data_len),
	SHIM_MBUF_BUF_LEN = offsetof(struct rte_mbuf, buf_len),
	SHIM_MBUF_NEXT = offsetof(struct rte_mbuf, next),
};

struct shim_port_info {
	char driver[64];
	char name[RTE_ETH_NAME_MAX_LEN];
	uint16_t max_rx_queues;
	uint16_t max_tx_queues;
	uint16_t rx_desc_min, rx_desc_max, rx_desc_align;
	uint16_t tx_desc_min, tx_desc_max, tx_desc_align;
	uint16_t min_mtu, max_mtu;
	uint32_t max_rx_pktlen;
	uint32_t max_mac_addrs;
	int32_t socket;
};

struct shim_link {
	uint32_t speed_mbps; /* UINT32_MAX: not known */
	uint8_t up;
	uint8_t full_duplex;
	uint8_t autoneg;
};

int shim_errno(void);
void shim_set_errno(int value);
uint64_t shim_rdtsc(void);
uint32_t shim_lcore_id(void);

struct rte_mbuf *shim_mbuf_alloc(struct rte_mempool *pool);
int shim_mbuf_alloc_bulk(struct rte_mempool *pool, struct rte_mbuf **mbufs, unsigned int count);
void shim_mbuf_free(struct rte_mbuf *mbuf);

/* Frees every mbuf that waits in the ring; returns how many there were. */
unsigned int shim_ring_drain(struct rte_ring *ring);

/* 0, or a negative errno: is there a driver for this device argument? */
int shim_devargs_check(const char *devargs);
/* Is the port id in use by a device? */
int shim_port_valid(uint16_t port);
/* Start with UINT16_MAX; UINT16_MAX means the end. */
uint16_t shim_port_next(uint16_t after);

int shim_port_info(uint16_t port, struct shim_port_info *out);
int shim_port_configure(uint16_t port, uint16_t rx_queues, uint16_t tx_queues, uint16_t mtu);
int shim_port_link(uint16_t port, struct shim_link *out);
int shim_port_mac(uint16_t port, uint8_t out[6]);
int shim_port_set_mac(uint16_t port, const uint8_t mac[6]);
int shim_port_add_mac(uint16_t port, const uint8_t mac[6]);
int shim_port_remove_mac(uint16_t port, const uint8_t mac[6]);

/* A DIR24_8 table and a trie with next hops of two bytes (15 bits are the caller's) and the default
 * next hop 0: their configurations hold anonymous unions. NULL: rte_errno says why. */
struct rte_lpm *shim_lpm_create(const char *name, int socket, uint32_t max_rules, uint32_t num_tbl8);
/* The entries of both levels (rte_lpm.h); their bits are those of SHIM_LPM_*. */
const uint32_t *shim_lpm_tbl24(const struct rte_lpm *lpm);
const uint32_t *shim_lpm_tbl8(const struct rte_lpm *lpm);
struct rte_fib6 *shim_fib6_create(const char *name, int socket, uint32_t max_routes, uint32_t num_tbl8);

/* Unsigned numbers in answers of the telemetry: renamed in 23.03. */
int shim_tel_dict_u64(struct rte_tel_data *data, const char *name, uint64_t value);

/* The bypass adapters of net_ixgbe (rte_pmd_ixgbe.h); -ENOTSUP where that driver
 * is not linked in. Only for ports of that driver. */
int shim_ixgbe_bypass_init(uint16_t port);
int shim_ixgbe_bypass_state_show(uint16_t port, uint32_t *state);
int shim_ixgbe_bypass_state_set(uint16_t port, uint32_t *state);
int shim_ixgbe_bypass_event_show(uint16_t port, uint32_t event, uint32_t *state);
int shim_ixgbe_bypass_event_store(uint16_t port, uint32_t event, uint32_t state);
int shim_ixgbe_bypass_wd_timeout_show(uint16_t port, uint32_t *timeout);
int shim_ixgbe_bypass_wd_timeout_store(uint16_t port, uint32_t timeout);
int shim_ixgbe_bypass_wd_reset(uint16_t port);
int shim_ixgbe_bypass_ver_show(uint16_t port, uint32_t *version);

#endif
