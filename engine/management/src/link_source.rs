//! Where a port's carrier comes from: the driver, or the kernel interface behind it.

use dpdk::PortHandle;
use netdev::Interface;

/// Who may take a port's link down. It is up only when neither does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// The decisions, for the sake of the link pair's other port (rule 17).
    Propagation,
    /// An operator.
    Operator,
}

/// Who holds a link down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Held {
    propagation: bool,
    operator: bool,
}

impl Held {
    fn by(self, holder: Holder) -> bool {
        match holder {
            Holder::Propagation => self.propagation,
            Holder::Operator => self.operator,
        }
    }

    fn any(self) -> bool {
        self.propagation || self.operator
    }

    fn with(mut self, holder: Holder, down: bool) -> Self {
        match holder {
            Holder::Propagation => self.propagation = down,
            Holder::Operator => self.operator = down,
        }
        self
    }
}

/// One port as the management core watches it.
pub struct WatchedPort {
    /// The port's name in the configuration.
    pub name: String,
    handle: PortHandle,
    interface: Option<(String, Interface)>,
    held: Held,
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
            held: Held::default(),
            carrier: false,
            complaint: None,
        }
    }

    /// The port's handle.
    #[must_use]
    pub fn handle(&self) -> &PortHandle {
        &self.handle
    }

    /// Taken down by this engine, for whomever.
    #[must_use]
    pub fn taken_down(&self) -> bool {
        self.held.any()
    }

    /// Taken down for this one.
    #[must_use]
    pub fn taken_down_by(&self, holder: Holder) -> bool {
        self.held.by(holder)
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

    /// Takes the port down, or lets it up as far as this holder goes: it stays down while the other
    /// one holds it.
    ///
    /// # Errors
    /// What the kernel or the driver says, in words; nothing has changed then.
    pub fn set_up(&mut self, holder: Holder, up: bool) -> Result<(), String> {
        let wanted = self.held.with(holder, !up);
        // One that somebody outside took down is let up as well.
        if !wanted.any() || !self.held.any() {
            self.switch(!wanted.any())?;
        }
        self.held = wanted;
        Ok(())
    }

    /// Lets a port up that was taken down, whoever held it: the engine ends.
    ///
    /// # Errors
    /// What the kernel or the driver says, in words.
    pub fn let_go(&mut self) -> Result<(), String> {
        if self.held.any() {
            self.switch(true)?;
            self.held = Held::default();
        }
        Ok(())
    }

    fn switch(&self, up: bool) -> Result<(), String> {
        match &self.interface {
            Some((_, interface)) => interface.set_up(up).map_err(|e| e.to_string()),
            None if up => self.handle.set_link_up().map_err(|e| e.to_string()),
            None => self.handle.set_link_down().map_err(|e| e.to_string()),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_up_only_when_nobody_holds_it_down() {
        let nobody = Held::default();
        assert!(!nobody.any());
        let operator = nobody.with(Holder::Operator, true);
        let both = operator.with(Holder::Propagation, true);
        assert!(both.with(Holder::Propagation, false).by(Holder::Operator));
        assert!(both.with(Holder::Operator, false).any());
        assert!(!operator.by(Holder::Propagation));
        assert!(!operator.with(Holder::Operator, false).any());
    }
}
