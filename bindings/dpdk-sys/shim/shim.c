/* SPDX-License-Identifier: Apache-2.0 */
#define ALLOW_EXPERIMENTAL_API /* rte_devargs_reset, until 23.x */
#include "shim.h"

#include <stdlib.h>
#include <string.h>
#include <errno.h>

#define FIELD_IS(field, type) \
	_Static_assert(sizeof(((struct rte_mbuf *)0)->field) == sizeof(type), #field " of rte_mbuf has another width")
FIELD_IS(buf_addr, void *);
FIELD_IS(data_off, uint16_t);
FIELD_IS(nb_segs, uint16_t);
FIELD_IS(port, uint16_t);
FIELD_IS(ol_flags, uint64_t);
FIELD_IS(pkt_len, uint32_t);
FIELD_IS(data_len, uint16_t);
FIELD_IS(buf_len, uint16_t);
FIELD_IS(next, struct rte_mbuf *);

int shim_errno(void) { return rte_errno; }
void shim_set_errno(int value) { rte_errno = value; }
uint64_t shim_rdtsc(void) { return rte_rdtsc(); }
uint32_t shim_lcore_id(void) { return rte_lcore_id(); }

struct rte_mbuf *shim_mbuf_alloc(struct rte_mempool *pool) { return rte_pktmbuf_alloc(pool); }

int shim_mbuf_alloc_bulk(struct rte_mempool *pool, struct rte_mbuf **mbufs, unsigned int count)
{
	return rte_pktmbuf_alloc_bulk(pool, mbufs, count);
}

void shim_mbuf_free(struct rte_mbuf *mbuf) { rte_pktmbuf_free(mbuf); }

unsigned int shim_ring_drain(struct rte_ring *ring)
{
	struct rte_mbuf *mbufs[32];
	unsigned int total = 0, n;

	while ((n = rte_ring_dequeue_burst(ring, (void **)mbufs, 32, NULL)) != 0) {
		rte_pktmbuf_free_bulk(mbufs, n);
		total += n;
	}
	return total;
}

int shim_devargs_check(const char *devargs)
{
	struct rte_devargs da;
	int ret;

	memset(&da, 0, sizeof(da));
	ret = rte_devargs_parse(&da, devargs);
	rte_devargs_reset(&da);
	return ret;
}

int shim_port_valid(uint16_t port) { return rte_eth_dev_is_valid_port(port); }

uint16_t shim_port_next(uint16_t after)
{
	uint64_t next = rte_eth_find_next_owned_by(
		after == UINT16_MAX ? 0 : (uint16_t)(after + 1), RTE_ETH_DEV_NO_OWNER);
	return next >= RTE_MAX_ETHPORTS ? UINT16_MAX : (uint16_t)next;
}

int shim_port_info(uint16_t port, struct shim_port_info *out)
{
	struct rte_eth_dev_info info;
	int ret;

	memset(out, 0, sizeof(*out));
	memset(&info, 0, sizeof(info));
	ret = rte_eth_dev_info_get(port, &info);
	if (ret != 0)
		return ret;
	ret = rte_eth_dev_get_name_by_port(port, out->name);
	if (ret != 0)
		return ret;
	if (info.driver_name != NULL)
		snprintf(out->driver, sizeof(out->driver), "%s", info.driver_name);
	out->max_rx_queues = info.max_rx_queues;
	out->max_tx_queues = info.max_tx_queues;
	out->rx_desc_min = info.rx_desc_lim.nb_min;
	out->rx_desc_max = info.rx_desc_lim.nb_max;
	out->rx_desc_align = info.rx_desc_lim.nb_align;
	out->tx_desc_min = info.tx_desc_lim.nb_min;
	out->tx_desc_max = info.tx_desc_lim.nb_max;
	out->tx_desc_align = info.tx_desc_lim.nb_align;
	out->min_mtu = info.min_mtu;
	out->max_mtu = info.max_mtu;
	out->max_rx_pktlen = info.max_rx_pktlen;
	out->max_mac_addrs = info.max_mac_addrs;
	out->socket = rte_eth_dev_socket_id(port);
	return 0;
}

int shim_port_configure(uint16_t port, uint16_t rx_queues, uint16_t tx_queues, uint16_t mtu)
{
	struct rte_eth_dev_info info;
	struct rte_eth_conf conf;
	int ret;

	memset(&info, 0, sizeof(info));
	ret = rte_eth_dev_info_get(port, &info);
	if (ret != 0)
		return ret;
	memset(&conf, 0, sizeof(conf));
	conf.rxmode.mtu = mtu; /* 0: the driver's default, 1500 */
	if (rx_queues > 1) {
		uint64_t hash = info.flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP);

		if (hash != 0) {
			conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
			conf.rx_adv_conf.rss_conf.rss_hf = hash;
		}
	}
	return rte_eth_dev_configure(port, rx_queues, tx_queues, &conf);
}

int shim_port_link(uint16_t port, struct shim_link *out)
{
	struct rte_eth_link link;
	int ret;

	memset(out, 0, sizeof(*out));
	memset(&link, 0, sizeof(link));
	ret = rte_eth_link_get_nowait(port, &link);
	if (ret != 0)
		return ret;
	out->speed_mbps = link.link_speed;
	out->up = link.link_status == RTE_ETH_LINK_UP;
	out->full_duplex = link.link_duplex == RTE_ETH_LINK_FULL_DUPLEX;
	out->autoneg = link.link_autoneg == RTE_ETH_LINK_AUTONEG;
	return 0;
}

int shim_port_mac(uint16_t port, uint8_t out[6])
{
	struct rte_ether_addr mac;
	int ret = rte_eth_macaddr_get(port, &mac);

	if (ret == 0)
		memcpy(out, mac.addr_bytes, 6);
	return ret;
}

int shim_port_set_mac(uint16_t port, const uint8_t mac[6])
{
	struct rte_ether_addr addr;

	memcpy(addr.addr_bytes, mac, 6);
	return rte_eth_dev_default_mac_addr_set(port, &addr);
}

int shim_port_add_mac(uint16_t port, const uint8_t mac[6])
{
	struct rte_ether_addr addr;

	memcpy(addr.addr_bytes, mac, 6);
	return rte_eth_dev_mac_addr_add(port, &addr, 0);
}

int shim_port_remove_mac(uint16_t port, const uint8_t mac[6])
{
	struct rte_ether_addr addr;

	memcpy(addr.addr_bytes, mac, 6);
	return rte_eth_dev_mac_addr_remove(port, &addr);
}

/*
 * A table chooses its lookup when it is made: with AVX-512 only where up to 512 bits are allowed, which
 * is not DPDK's default. Allowed for that moment alone, so that no driver chooses by it. Refused (and
 * nothing changed) where --force-max-simd-bitwidth says what is allowed (rte_vect.h).
 */
static uint16_t allow_wide_vectors(void)
{
	const uint16_t before = rte_vect_get_max_simd_bitwidth();

	if (before < RTE_VECT_SIMD_512)
		(void)rte_vect_set_max_simd_bitwidth(RTE_VECT_SIMD_512);
	return before;
}

struct rte_lpm *shim_lpm_create(const char *name, int socket, uint32_t max_rules, uint32_t num_tbl8)
{
	struct rte_lpm_config conf;

	memset(&conf, 0, sizeof(conf));
	conf.max_rules = max_rules;
	conf.number_tbl8s = num_tbl8;
	return rte_lpm_create(name, socket, &conf);
}

_Static_assert(sizeof(struct rte_lpm_tbl_entry) == sizeof(uint32_t), "an entry is one word");
_Static_assert(RTE_LPM_TBL24_NUM_ENTRIES == 1 << 24, "the first level has an entry for each /24");
_Static_assert(RTE_LPM_TBL8_GROUP_NUM_ENTRIES == 256, "a group has an entry for each address");

const uint32_t *shim_lpm_tbl24(const struct rte_lpm *lpm)
{
	return (const uint32_t *)lpm->tbl24;
}

const uint32_t *shim_lpm_tbl8(const struct rte_lpm *lpm)
{
	return (const uint32_t *)lpm->tbl8;
}

struct rte_fib6 *shim_fib6_create(const char *name, int socket, uint32_t max_routes, uint32_t num_tbl8)
{
	struct rte_fib6_conf conf;

	memset(&conf, 0, sizeof(conf));
	conf.type = RTE_FIB6_TRIE;
	conf.max_routes = (int)max_routes;
	conf.trie.nh_sz = RTE_FIB6_TRIE_2B;
	conf.trie.num_tbl8 = num_tbl8;
	const uint16_t before = allow_wide_vectors();
	struct rte_fib6 *fib = rte_fib6_create(name, socket, &conf);
	const int failure = rte_errno;
	(void)rte_vect_set_max_simd_bitwidth(before);
	rte_errno = failure;
	return fib;
}

int shim_tel_dict_u64(struct rte_tel_data *data, const char *name, uint64_t value)
{
#if RTE_VERSION >= RTE_VERSION_NUM(23, 3, 0, 0)
	return rte_tel_data_add_dict_uint(data, name, value);
#else
	return rte_tel_data_add_dict_u64(data, name, value);
#endif
}
