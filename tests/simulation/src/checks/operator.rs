//! Check (f): a verb does what it says, or is refused with a reason.

use std::collections::VecDeque;
use twinline_ha::{Node, Request, Role};

use super::Check;
use super::roles::Before;
use crate::clock::Ns;

/// A granted request whose effect is still to come.
#[derive(Clone, Copy, Debug)]
struct Due {
    request: Request,
    /// By when, on the count of the time that the instance ran.
    by: Ns,
    calm: bool,
    /// The role from which it was asked.
    from: Role,
}

/// What operators are still owed by one process.
#[derive(Clone, Debug, Default)]
pub struct Owed {
    due: VecDeque<Due>,
}

type Finding = Result<(), (Check, String)>;

impl Owed {
    /// A request was answered in this step. `by`: when its effect must show, in running time.
    ///
    /// # Errors
    /// What the answer violated.
    pub fn answered(
        &mut self,
        request: Request,
        result: &Result<String, String>,
        before: Before,
        node: &Node,
        (by, calm): (Ns, bool),
    ) -> Finding {
        let wrong = |text: &str| Err((Check::Operator, format!("{request:?}: {text}")));
        let role = node.role();
        let text = match result {
            Ok(text) | Err(text) => text,
        };
        if text.is_empty() {
            return wrong("answered without a word");
        }
        let Ok(_) = result else {
            // What was under way before may end in this very step.
            let left = before.role == Role::Active && role == Role::Suspended;
            return if left && before.handing_over_to.is_none() && !before.lapsed && !node.latched()
            {
                wrong("refused, and done all the same")
            } else {
                Ok(())
            };
        };
        match request {
            Request::Suspend { force } => {
                let handing = node.handing_over_to().is_some();
                if before.role == Role::Active && !before.lapsed && !force && !handing {
                    return wrong("left the traffic to nobody, though not forced");
                }
                self.due.push_back(Due {
                    request,
                    by,
                    calm,
                    from: before.role,
                });
            }
            Request::Stop | Request::Switchover => self.due.push_back(Due {
                request,
                by,
                calm,
                from: before.role,
            }),
            Request::Resume => {
                if matches!(role, Role::Suspended) && !node.latched() {
                    return wrong("still suspended");
                }
            }
            Request::Clear => {
                // A flap of this very step may come after it.
                let after = u32::from(before.role == Role::Active);
                if node.flaps() > after || (node.latched() && after == 0) {
                    return wrong("flaps or latch still there");
                }
            }
            Request::Bypass { .. } => {}
        }
        Ok(())
    }

    /// A resume was granted: no suspension is owed any more.
    pub fn resumed(&mut self) {
        self.due
            .retain(|d| !matches!(d.request, Request::Suspend { .. }));
    }

    /// The network was disturbed: what hangs on the other instance is owed no more.
    pub fn disturbed(&mut self) {
        for due in &mut self.due {
            due.calm = false;
        }
    }

    /// A step was made; `ran`: for how long the instance has run in all.
    ///
    /// # Errors
    /// What is overdue.
    pub fn follow(&mut self, ran: Ns, node: &Node, stopping: bool) -> Finding {
        let role = node.role();
        self.due.retain(|d| match d.request {
            Request::Suspend { .. } => role != Role::Suspended && !stopping && !node.latched(),
            Request::Switchover => d.calm && !stopping && role == d.from,
            _ => true,
        });
        while let Some(due) = self.due.front() {
            if due.by > ran {
                return Ok(());
            }
            let done = match due.request {
                // An unforced suspension is given up when the successor does not answer.
                Request::Suspend { force } => !force && !due.calm,
                _ => false,
            };
            if !done {
                let text = format!("{:?} was granted, and the role is {role}", due.request);
                return Err((Check::Operator, text));
            }
            self.due.pop_front();
        }
        Ok(())
    }
}
