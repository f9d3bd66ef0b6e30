/* SPDX-License-Identifier: Apache-2.0 */
#include "shim.h"

#include <errno.h>

#if __has_include(<rte_pmd_ixgbe.h>)
#include <rte_pmd_ixgbe.h>

/* Weak: a build whose drivers (TWINLINE_DPDK_PMDS) are without net_ixgbe links all
 * the same. The shared build defines SHIM_IXGBE_STRONG, because the linker drops a
 * shared library that only weak symbols ask for. */
#ifndef SHIM_IXGBE_STRONG
#pragma weak rte_pmd_ixgbe_bypass_init
#pragma weak rte_pmd_ixgbe_bypass_state_show
#pragma weak rte_pmd_ixgbe_bypass_state_set
#pragma weak rte_pmd_ixgbe_bypass_event_show
#pragma weak rte_pmd_ixgbe_bypass_event_store
#pragma weak rte_pmd_ixgbe_bypass_wd_timeout_show
#pragma weak rte_pmd_ixgbe_bypass_wd_timeout_store
#pragma weak rte_pmd_ixgbe_bypass_wd_reset
#pragma weak rte_pmd_ixgbe_bypass_ver_show
#define CALL(function, ...) \
	(rte_pmd_ixgbe_bypass_##function ? rte_pmd_ixgbe_bypass_##function(__VA_ARGS__) : -ENOTSUP)
#else
#define CALL(function, ...) rte_pmd_ixgbe_bypass_##function(__VA_ARGS__)
#endif

#else /* DPDK was built without the driver */
static int without(uint16_t port, ...) { (void)port; return -ENOTSUP; }
#define CALL(function, ...) without(__VA_ARGS__)
#endif

int shim_ixgbe_bypass_init(uint16_t port) { return CALL(init, port); }

int shim_ixgbe_bypass_state_show(uint16_t port, uint32_t *state)
{
	return CALL(state_show, port, state);
}

int shim_ixgbe_bypass_state_set(uint16_t port, uint32_t *state)
{
	return CALL(state_set, port, state);
}

int shim_ixgbe_bypass_event_show(uint16_t port, uint32_t event, uint32_t *state)
{
	return CALL(event_show, port, event, state);
}

int shim_ixgbe_bypass_event_store(uint16_t port, uint32_t event, uint32_t state)
{
	return CALL(event_store, port, event, state);
}

int shim_ixgbe_bypass_wd_timeout_show(uint16_t port, uint32_t *timeout)
{
	return CALL(wd_timeout_show, port, timeout);
}

int shim_ixgbe_bypass_wd_timeout_store(uint16_t port, uint32_t timeout)
{
	return CALL(wd_timeout_store, port, timeout);
}

int shim_ixgbe_bypass_wd_reset(uint16_t port) { return CALL(wd_reset, port); }

int shim_ixgbe_bypass_ver_show(uint16_t port, uint32_t *version)
{
	return CALL(ver_show, port, version);
}
