//! Where a port's carrier comes from: the driver, or the kernel interface behind it.

use dpdk::PortHandle;
use netdev::Interface;

/// One port as the management core watches it.
pub struct WatchedPort {
    /// The port's name in the configuration.
    pub name: String,
    handle: PortHandle,
    interface: Option<(String, Interface)>,
    taken_down: bool,
    carrier: bool,
    /// What the link's reader said last, when it failed.
    complaint: Option<String>,
}

impl WatchedPort {
    /// Watches a port by its driver, or by `interface` where the configuration names one.
    #[must_use]
    pub fn new(name: String, handle: PortHandle, interface: Option<(String, Interface)>) -> Self {
        Self {
            name,
            handle,
            interface,
            taken_down: false,
            carrier: false,
            complaint: None,
        }
    }

    /// The port's handle.
    #[must_use]
    pub fn handle(&self) -> &PortHandle {
        &self.handle
    }

    /// Taken down by us, for its partner's sake (rule 17).
    #[must_use]
    pub fn taken_down(&self) -> bool {
        self.taken_down
    }

    /// Carrier now; a port that does not answer has none.
    pub fn carrier(&mut self) -> bool {
        let read = match &self.interface {
            Some((_, interface)) => interface
                .state()
                .map(|s| s.running)
                .map_err(|e| e.to_string()),
            None => self.handle.link().map(|l| l.up).map_err(|e| e.to_string()),
        };
        self.carrier = match read {
            Ok(up) => {
                self.complaint = None;
                up
            }
            Err(error) => {
                if self.complaint.as_ref() != Some(&error) {
                    log::error!(
                        "port {}: its link cannot be read, so it counts as down: {error}",
                        self.name
                    );
                    self.complaint = Some(error);
                }
                false
            }
        };
        self.carrier
    }

    /// Carrier as it was last read.
    #[must_use]
    pub fn last_carrier(&self) -> bool {
        self.carrier
    }

    /// Where the carrier comes from, for operators.
    #[must_use]
    pub fn carrier_source(&self) -> String {
        match &self.interface {
            Some((name, _)) => format!("kernel {name}"),
            None => "driver".into(),
        }
    }

    /// Takes the port down, or lets it up.
    ///
    /// # Errors
    /// What the kernel or the driver says, in words.
    pub fn set_up(&mut self, up: bool) -> Result<(), String> {
        let done = match &self.interface {
            Some((_, interface)) => interface.set_up(up).map_err(|e| e.to_string()),
            None if up => self.handle.set_link_up().map_err(|e| e.to_string()),
            None => self.handle.set_link_down().map_err(|e| e.to_string()),
        };
        if done.is_ok() {
            self.taken_down = !up;
        }
        done
    }

    /// Brings the kernel interface up at start: an earlier run may have died with it down.
    ///
    /// # Errors
    /// What the kernel says, in words.
    pub fn bring_up(&mut self) -> Result<(), String> {
        match &self.interface {
            Some((_, interface)) => interface.set_up(true).map_err(|e| e.to_string()),
            None => Ok(()),
        }
    }
}
