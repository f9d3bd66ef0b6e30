//! The appliance: EAL, ports, pool, workers and the HA port, brought up from a configuration and
//! taken down in order.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use dpdk::clock::TscClock;
use dpdk::{
    Eal, EalOptions, Fib4, Fib6, FibOptions, Huge, LogLevel, Pci, PciAddress, Pool, PoolOptions,
    Port, PortOptions, RxQueue, Started, TxQueue,
};
use netdev::Interface;
use twinline_config::{Config, Device, Polling, Topology, Vdev};
use twinline_dataplane as dataplane;
use twinline_dataplane::l3::{Interface as Interface3, L3Config, L3Port, Tables};
use twinline_dataplane::{
    Gate, Lease, MacTable, PairQueues, Worker, WorkerConfig, WorkerHandle, WorkerLinks,
};
use twinline_l3::InterfaceId;
use twinline_wire::Mac;
use twinline_wire::heartbeat::{Auth, Key, StackName};

use crate::ha_port::{Destination, HaPort, Identity};
use crate::in_band::InBand;
use crate::l3;
use crate::l3::forwarding::Forwarding;
use crate::l3::kernel::Kernel;
use crate::l3::plan::Plan;
use crate::l3::virtual_mac::VirtualMacs;
use crate::link_source::WatchedPort;

/// Why the engine could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The EAL, a pool or a worker.
    #[error("{0}")]
    Dpdk(#[from] dpdk::Error),
    /// A port could not be set up.
    #[error("port {port} ({device}): {why}")]
    Port {
        /// Its name in the configuration.
        port: String,
        /// Its device.
        device: String,
        /// What went wrong, and what to do.
        why: String,
    },
    /// A key file.
    #[error("{0}")]
    Key(#[from] twinline_config::keys::KeyError),
    /// The control socket.
    #[error("{0}")]
    Control(#[from] twinline_control::BindError),
    /// A worker could not be started.
    #[error("worker on core {core}: {why}")]
    Worker {
        /// The core.
        core: usize,
        /// What went wrong.
        why: String,
    },
    /// A core that this machine does not have.
    #[error("[lcores] names core {core}, but this machine has cores {available}")]
    NoSuchCore {
        /// The core.
        core: usize,
        /// Those that may be used.
        available: String,
    },
    /// Something failed, and `eal.memory_mb` is too small: most likely that is why.
    #[error("{failed}; eal.memory_mb: {why}")]
    Memory {
        /// What failed.
        failed: String,
        /// How much is needed.
        why: String,
    },
    /// Anything else that the configuration promised and the machine does not keep.
    #[error("{0}")]
    Other(String),
}

/// One worker and our ends of what we share with it.
pub struct RunningWorker {
    /// The thread.
    pub handle: WorkerHandle,
    /// Counters, learnt addresses, frames to inject.
    pub links: WorkerLinks,
    /// The pairs that it carries, by index.
    pub pairs: Vec<usize>,
    /// Its core.
    pub core: usize,
    /// DPDK's number of the thread.
    pub lcore: u32,
    /// It carries the ports of layer 3.
    pub routes: bool,
}

/// Gate and address table of a pair, and which watched ports are its ends.
pub struct PairParts {
    /// The pair's name.
    pub name: String,
    /// What its worker does with frames.
    pub gate: Arc<Gate>,
    /// The workers' copy of the address table.
    pub stations: Arc<MacTable>,
    /// Indices into [`Appliance::ports`]: LAN, WAN.
    pub ports: [usize; 2],
}

/// Everything that runs.
pub struct Appliance {
    /// Every port, in the order of the configuration.
    pub ports: Vec<WatchedPort>,
    /// The link pairs, in the order of the configuration.
    pub pairs: Vec<PairParts>,
    /// The workers.
    pub workers: Vec<RunningWorker>,
    /// The HA port, except in standalone mode.
    pub ha: Option<HaPort>,
    /// Heartbeats over the data ports, where they are configured.
    pub in_band: Option<InBand>,
    /// Index of the HA port in [`Appliance::ports`].
    pub ha_index: Option<usize>,
    /// The forwarding lease (rule 11).
    pub lease: Arc<Lease>,
    /// The time stamp counter's rate.
    pub clock: TscClock,
    /// The frames.
    pub pool: Pool,
    /// Layer 3, where there are interfaces: for [`crate::l3::Layer3::new`].
    pub l3: Option<l3::Parts>,
    started: Vec<Option<Port<Started>>>,
    // Last: the EAL is cleaned up after everything that uses it.
    eal: Eal,
}

/// The keys of a configuration, for the HA port.
///
/// # Errors
/// When a key file is missing, unsafe or malformed.
pub fn load_auth(config: &Config) -> Result<Auth, twinline_config::keys::KeyError> {
    Ok(match config.load_keys()? {
        None => Auth::insecure(),
        Some(keys) => {
            let key = |key: &twinline_config::keys::Key| Key::derive(key.as_bytes());
            Auth::keyed(key(&keys.current), keys.next.as_ref().map(key))
        }
    })
}

fn check_cores(config: &Config) -> Result<(), StartError> {
    let available: Vec<usize> = core_affinity::get_core_ids()
        .unwrap_or_default()
        .into_iter()
        .map(|c| c.id)
        .collect();
    let named = std::iter::once(&config.lcores.main).chain(&config.lcores.workers);
    for &core in named {
        if !available.is_empty() && !available.contains(&core) {
            let available: Vec<String> = available.iter().map(ToString::to_string).collect();
            return Err(StartError::NoSuchCore {
                core,
                available: available.join(", "),
            });
        }
    }
    Ok(())
}

fn eal_options(config: &Config) -> EalOptions {
    let allowed: Vec<PciAddress> = config
        .pci_allow()
        .iter()
        .map(|a| PciAddress {
            domain: a.domain,
            bus: a.bus,
            device: a.device,
            function: a.function,
        })
        .collect();
    let level = match config.eal.log_level.as_str() {
        "debug" => LogLevel::Debug,
        "info" => LogLevel::Info,
        "notice" => LogLevel::Notice,
        "error" => LogLevel::Error,
        "critical" => LogLevel::Error,
        _ => LogLevel::Warning,
    };
    EalOptions {
        program: "twinline".into(),
        main_core: config.lcores.main,
        worker_cores: config.lcores.workers.clone(),
        file_prefix: config.eal.file_prefix.clone(),
        memory_mb: Some(config.eal.memory_mb),
        huge: if config.eal.huge {
            Huge::Pages
        } else {
            Huge::NoHuge
        },
        huge_unlink: config.eal.huge && config.eal.huge_unlink,
        pci: if allowed.is_empty() {
            Pci::None
        } else {
            Pci::Allow(allowed)
        },
        vdevs: config
            .vdevs()
            .iter()
            .map(|v| v.as_str().to_owned())
            .collect(),
        telemetry: config.eal.telemetry,
        log_level: Some(level),
        extra: config.eal.extra.clone(),
    }
}

/// Why a driver made no port, as far as the usual reasons go. DPDK itself says nothing of it.
fn why_no_vdev(vdev: &Vdev) -> String {
    if let Some(name) = vdev.kernel_interface()
        && let Err(error) = Interface::open(name)
    {
        return format!(
            "the driver made no port: kernel interface {name}: {error}; is it in this network \
             namespace (ip link)?"
        );
    }
    if !may_open_sockets() {
        return "the driver made no port: it needs CAP_NET_RAW and CAP_NET_ADMIN: run the engine \
                as root"
            .into();
    }
    "the driver made no port of this name: set eal.log_level = \"debug\" to see why".into()
}

/// Whether we are root, by the owner of our own entry in /proc.
fn may_open_sockets() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|m| m.uid() == 0)
}

struct OpenPort {
    watched: WatchedPort,
    port: Port<Started>,
    queues: Option<(RxQueue, TxQueue)>,
    mac: Mac,
}

fn open_port(
    eal: &Eal,
    pool: &Pool,
    config: &twinline_config::Port,
    promiscuous: bool,
) -> Result<OpenPort, StartError> {
    let device = config.device.dpdk_name().to_string();
    let failed = |why: String| StartError::Port {
        port: config.name.clone(),
        device: device.clone(),
        why,
    };
    let id = eal.port_named(&device).ok_or_else(|| {
        failed(match &config.device {
            Device::Pci(_) => "no such DPDK port: is the device bound to vfio-pci \
                               (dpdk-devbind.py --status)?"
                .into(),
            Device::Vdev(vdev) => why_no_vdev(vdev),
        })
    })?;
    let interface = match &config.kernel_interface {
        None => None,
        Some(name) => {
            let interface = Interface::open(name)
                .map_err(|error| failed(format!("kernel_interface {name}: {error}")))?;
            Some((name.clone(), interface))
        }
    };
    let options = PortOptions {
        rx_queues: 1,
        tx_queues: 1,
        rx_descriptors: config.rx_descriptors,
        tx_descriptors: config.tx_descriptors,
        mtu: config.mtu,
        promiscuous,
    };
    let idle = eal.take(id).map_err(|e| failed(e.to_string()))?;
    let configured = idle.configure(&options, pool).map_err(|e| {
        let hint = match config.mtu {
            Some(mtu) => format!("; can the device do port.mtu = {mtu}?"),
            None => String::new(),
        };
        failed(format!("{}{hint}", e.error))
    })?;
    let (port, rx, tx) = configured
        .start()
        .map_err(|e| failed(e.error.to_string()))?;
    let queues = rx.into_iter().next().zip(tx.into_iter().next());
    let handle = port.handle();
    let mac = Mac::from(handle.mac().map_err(|e| failed(e.to_string()))?.0);
    let mut watched = WatchedPort::new(config.name.clone(), handle, interface);
    watched
        .bring_up()
        .map_err(|why| failed(format!("could not be brought up: {why}")))?;
    Ok(OpenPort {
        watched,
        port,
        queues,
        mac,
    })
}

impl Appliance {
    /// Brings everything up, gates closed.
    ///
    /// # Errors
    /// [`StartError`], with what to do; nothing is left half configured: what was started is
    /// stopped again by drop.
    pub fn bring_up(config: &Config, boot: u64, auth: Auth) -> Result<Self, StartError> {
        let up = Self::try_bring_up(config, boot, auth);
        // DPDK says of memory that ran out whatever its innermost call made of it ("errno 22").
        up.map_err(|error| match (error, config.memory_too_small()) {
            (StartError::Dpdk(error), Some(why)) => StartError::Memory {
                failed: error.to_string(),
                why,
            },
            (StartError::Port { port, why, .. }, Some(memory)) => StartError::Memory {
                failed: format!("port {port}: {why}"),
                why: memory,
            },
            (error, _) => error,
        })
    }

    fn try_bring_up(config: &Config, boot: u64, auth: Auth) -> Result<Self, StartError> {
        check_cores(config)?;
        let eal = Eal::init(eal_options(config))?;
        if let Err(error) = dpdk::pdump_init(&eal) {
            log::warn!("dpdk-dumpcap will not work: {error}");
        }
        let clock = TscClock::new(&eal);
        let pool = Pool::new(
            &eal,
            PoolOptions {
                name: "frames".into(),
                mbufs: config.frames(),
                ..PoolOptions::default()
            },
        )?;
        let mut open = Vec::new();
        for port in &config.ports {
            // A wire passes what is addressed to others; and without it a NIC would filter the
            // multicast group of heartbeats out. Ports of layer 3 are probed for what they need.
            let routed = config.interfaces.iter().any(|i| i.port == port.name);
            open.push(open_port(&eal, &pool, port, !routed)?);
        }
        let position = |name: &str| config.ports.iter().position(|p| p.name == name);
        let lost = |name: &str| StartError::Other(format!("port {name} is used twice"));

        let ha_index = config.ha.port.as_deref().and_then(position);
        let ha = match ha_index.and_then(|i| open.get_mut(i)) {
            None => None,
            Some(port) => {
                let (rx, tx) = port.queues.take().ok_or_else(|| lost(&port.watched.name))?;
                let identity = identity(config, boot, port.mac)?;
                Some(HaPort::new(rx, tx, pool.clone(), identity, auth))
            }
        };

        let lease = Arc::new(Lease::new());
        let mut pairs = Vec::new();
        let mut queues = Vec::new();
        let mut data_ports = Vec::new();
        for (index, pair) in config.link_pairs.iter().enumerate() {
            let (Some(lan), Some(wan)) = (position(&pair.lan), position(&pair.wan)) else {
                return Err(StartError::Other(format!(
                    "link pair {} has no ports",
                    pair.name
                )));
            };
            let mut take = |i: usize| {
                let port = open.get_mut(i);
                port.and_then(|p| p.queues.take().map(|q| (q, p.mac)))
            };
            let ((lan_queues, lan_mac), (wan_queues, wan_mac)) =
                take(lan).zip(take(wan)).ok_or_else(|| lost(&pair.name))?;
            let number = u16::try_from(index).unwrap_or(u16::MAX);
            data_ports.push((number, twinline_ha::Side::Lan, lan_mac));
            data_ports.push((number, twinline_ha::Side::Wan, wan_mac));
            let gate = Arc::new(Gate::new());
            let stations = Arc::new(MacTable::new());
            queues.push(Some(PairQueues {
                index: number,
                lan: lan_queues,
                wan: wan_queues,
                lan_mac: lan_mac.into(),
                wan_mac: wan_mac.into(),
                gate: gate.clone(),
                mac_table: stations.clone(),
            }));
            pairs.push(PairParts {
                name: pair.name.clone(),
                gate,
                stations,
                ports: [lan, wan],
            });
        }

        let in_band = if config.ha.in_band && ha.is_some() {
            let identity = identity(config, boot, Mac::default())?;
            let series = config.ha.topology == Topology::Series;
            let vlan = config.ha.in_band_vlan;
            Some(InBand::new(identity, vlan, series, &data_ports))
        } else {
            None
        };

        let mut l3 = None;
        let mut l3_config = None;
        if !config.interfaces.is_empty() {
            let (parts, of) = layer3(&eal, config, &mut open)?;
            (l3, l3_config) = (Some(parts), Some(of));
        }

        let mut workers = Vec::new();
        for work in config.work() {
            let (core, indices) = (work.core, work.link_pairs);
            // All ports of layer 3 are one worker's: each worker that receives from one needs a
            // transmit queue of every other, and many drivers have but one.
            let routes = !work.l3_ports.is_empty() && l3_config.is_some();
            if indices.is_empty() && !routes {
                continue;
            }
            let mine = indices
                .iter()
                .filter_map(|&i| queues.get_mut(i).and_then(Option::take));
            let mut of = WorkerConfig::new(mine.collect(), lease.clone(), clock);
            of.core = Some(core);
            if routes {
                of.l3 = l3_config.take();
                if let Some(parts) = &mut l3 {
                    parts.worker = workers.len();
                }
            }
            of.in_band = in_band.is_some();
            of.polling = match config.lcores.polling {
                Polling::Busy => dataplane::Polling::Busy,
                Polling::Adaptive => dataplane::Polling::Adaptive,
            };
            let (worker, links) = Worker::new(of);
            let handle = worker.spawn(&eal).map_err(|e| StartError::Worker {
                core,
                why: e.to_string(),
            })?;
            workers.push(RunningWorker {
                handle,
                links,
                pairs: indices,
                core,
                lcore: eal.lcore_of(core).unwrap_or(u32::MAX),
                routes,
            });
        }

        let (ports, started) = open.into_iter().map(|o| (o.watched, Some(o.port))).unzip();
        Ok(Self {
            ports,
            pairs,
            workers,
            ha,
            in_band,
            ha_index,
            lease,
            clock,
            pool,
            l3,
            started,
            eal,
        })
    }

    /// Registers a command of DPDK's telemetry.
    ///
    /// # Errors
    /// When DPDK refuses it.
    pub fn register_telemetry(
        &self,
        command: &str,
        help: &str,
        source: dpdk::telemetry::Source,
    ) -> Result<(), dpdk::Error> {
        dpdk::telemetry::register(&self.eal, command, help, source)
    }

    /// Takes everything down in order: workers, ports, EAL. Ports that we took down are let up.
    pub fn take_down(mut self) {
        for port in &mut self.ports {
            if let Err(error) = port.let_go() {
                log::warn!("port {}: stays down: {error}", port.name);
            }
        }
        let mut queues: Vec<(RxQueue, TxQueue)> = Vec::new();
        for worker in self.workers.drain(..) {
            match worker.handle.join() {
                Ok(pairs) => {
                    for pair in pairs {
                        queues.extend([pair.lan, pair.wan]);
                    }
                }
                Err(error) => log::error!("a worker did not stop: {error}"),
            }
        }
        if let Some(ha) = self.ha.take() {
            queues.push(ha.into_queues());
        }
        for (slot, watched) in self.started.iter_mut().zip(&self.ports) {
            let Some(port) = slot.take() else { continue };
            let id = watched.handle().id();
            let (rx, tx) = match queues.iter().position(|(rx, _)| rx.port() == id) {
                Some(at) => {
                    let (rx, tx) = queues.swap_remove(at);
                    (vec![rx], vec![tx])
                }
                None => (Vec::new(), Vec::new()),
            };
            match port.stop(rx, tx) {
                Ok(stopped) => {
                    if let Err(error) = stopped.close() {
                        log::warn!("port {}: {error}", watched.name);
                    }
                }
                Err(failed) => log::warn!("port {}: {}", watched.name, failed.error),
            }
        }
        // Frames still in rings go back to the pool before the EAL is cleaned up.
        drop(self.eal);
    }
}

/// What layer 3 needs of the machine: its ports' queues go to a worker.
fn layer3(
    eal: &Eal,
    config: &Config,
    open: &mut [OpenPort],
) -> Result<(l3::Parts, L3Config), StartError> {
    let other = |error: String| StartError::Other(format!("layer 3: {error}"));
    let plan = Plan::new(config, |port| open.get(port).map(|port| port.mac))
        .map_err(|error| other(error.to_string()))?;
    let numbers = Forwarding::numbers(&plan);
    // Each interface, route and virtual router has a few prefixes, each neighbour one.
    let virtuals: usize = plan
        .routers
        .iter()
        .map(|r| r.settings.addresses.len())
        .sum();
    let routes = numbers + plan.interfaces.len() * 8 + virtuals + 1024;
    let routes = u32::try_from(routes).unwrap_or(u32::MAX);
    let fib4 = Fib4::new(
        eal,
        &FibOptions {
            routes,
            ..FibOptions::ipv4("routes4")
        },
    )?;
    let fib6 = Fib6::new(
        eal,
        &FibOptions {
            routes,
            ..FibOptions::ipv6("routes6")
        },
    )?;
    let interfaces = plan.interfaces.iter().map(|interface| Interface3 {
        port: u16::try_from(interface.port).unwrap_or(u16::MAX),
        vlan: interface.vlan,
        mac: interface.mac.into(),
        mtu: interface.mtu,
    });
    let (reader4, reader6) = (fib4.reader(), fib6.reader());
    let tables = Tables::new(interfaces.collect(), reader4, reader6, numbers);
    let numbers = tables.adjacencies.len();
    let tables = Arc::new(tables);
    let gate = Arc::new(Gate::new());

    let mut ports = Vec::new();
    let mut macs = BTreeMap::new();
    for (index, port) in open.iter_mut().enumerate() {
        let on_it = (0..).map(InterfaceId).zip(&plan.interfaces);
        let on_it: Vec<InterfaceId> = on_it
            .filter(|(_, interface)| interface.port == index)
            .map(|(id, _)| id)
            .collect();
        if on_it.is_empty() {
            continue;
        }
        let name = port.watched.name.clone();
        let (rx, tx) = port
            .queues
            .take()
            .ok_or_else(|| StartError::Other(format!("port {name} is used twice")))?;
        ports.push(L3Port {
            index: u16::try_from(index).unwrap_or(u16::MAX),
            rx: Some(rx),
            tx,
            mac: port.mac.into(),
        });
        let here = plan.routers.iter().filter(|r| on_it.contains(&r.interface));
        let wanted: Vec<Mac> = here
            .map(|r| r.settings.vrid.mac(r.settings.family()))
            .collect();
        let handle = port.watched.handle().clone();
        macs.insert(index, VirtualMacs::probe(name, handle, &wanted));
    }
    let kernel = Kernel::new(&plan).map_err(|error| StartError::Other(error.to_string()))?;
    let of = L3Config::new(ports, tables.clone(), gate.clone());
    let parts = l3::Parts {
        plan,
        fibs: (fib4, fib6),
        tables,
        numbers,
        gate,
        worker: 0,
        macs,
        kernel,
    };
    Ok((parts, of))
}

fn identity(config: &Config, boot: u64, mac: Mac) -> Result<Identity, StartError> {
    let stack = StackName::new(&config.instance.stack)
        .map_err(|error| StartError::Other(format!("instance.stack: {error}")))?;
    let destination = match config.ha.multicast_group {
        Some(group) => Destination::Multicast(group),
        None => Destination::Peers(config.ha.peers.clone()),
    };
    let address: Ipv4Addr = config.ha.address;
    Ok(Identity {
        stack,
        instance: config.instance.id,
        boot,
        mac,
        address,
        udp_port: config.ha.udp_port,
        destination,
    })
}
