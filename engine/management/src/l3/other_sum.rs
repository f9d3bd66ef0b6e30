//! VRRP's checksum over IPv4 is made in two ways (of the message alone, as RFC 9568 says, or with a
//! pseudo-header, as several daemons do). Two routers that differ do not hear each other, and both
//! are Active: that is noticed here, and named.

use std::net::IpAddr;

use twinline_ha::Time;
use twinline_wire::vrrp::{ChecksumRule, Expect, Interval, Version, parse};

use super::plan::speaks_for;

/// After so many adverts in a row it is no accident: one or two cross while roles change.
const IN_A_ROW: u32 = 4;

/// What is wrong between another router's checksums and ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refuses {
    /// We refuse what it sends: its checksums are made the other way.
    We,
    /// We take either, and it goes on beside us though we are better: it refuses what we send, most
    /// likely.
    It,
}

/// Adverts of another router whose checksum is not made as ours is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OtherSum {
    at: Time,
    interval: Interval,
    times: u32,
    /// Whose.
    pub source: IpAddr,
    /// What comes of it.
    pub refuses: Refuses,
}

impl OtherSum {
    /// Looks at an advert that was refused for its checksum, or taken by an Active Router that is
    /// better (`taken`). `before` is what was seen so far.
    #[must_use]
    pub fn look(
        before: Option<Self>,
        now: Time,
        frame: &[u8],
        expect: Expect<'_>,
        taken: bool,
    ) -> Option<Self> {
        let (rule, refuses) = match (expect.checksum, taken) {
            (ChecksumRule::Any, true) => (ChecksumRule::PseudoHeader, Refuses::It),
            (ChecksumRule::Rfc9568, false) => (ChecksumRule::PseudoHeader, Refuses::We),
            (ChecksumRule::PseudoHeader, false) => (ChecksumRule::Rfc9568, Refuses::We),
            _ => return before,
        };
        let as_it_does = Expect {
            checksum: rule,
            ..expect
        };
        // Noise whose checksum is wrong either way is nobody's word.
        let Ok(advert) = parse(frame, |_, _| Some(as_it_does)) else {
            return before;
        };
        if advert.version != Version::V3 || advert.source.is_ipv6() || advert.priority == 0 {
            return before;
        }
        let goes_on = before.filter(|before| {
            before.source == advert.source && before.refuses == refuses && before.is_fresh(now)
        });
        Some(Self {
            at: now,
            interval: advert.interval,
            times: goes_on.map_or(1, |before| before.times.saturating_add(1)),
            source: advert.source,
            refuses,
        })
    }

    fn is_fresh(&self, now: Time) -> bool {
        now.since(self.at) < speaks_for(self.interval)
    }

    /// Whether it is to be told of.
    #[must_use]
    pub fn stands(&self, now: Time) -> bool {
        self.times >= IN_A_ROW && self.is_fresh(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use twinline_vrrp::Settings;
    use twinline_wire::vrrp::{Addressing, MAX_FRAME_LEN, Target, Vrid};

    fn at(ms: u64) -> Time {
        Time::ZERO + Duration::from_millis(ms)
    }

    fn advert(checksum: ChecksumRule) -> Vec<u8> {
        let source: IpAddr = "192.0.2.3".parse().unwrap();
        let settings = Settings::new(
            Vrid::new(10).unwrap(),
            Interval::from_centis(10).unwrap(),
            source,
            vec!["192.0.2.1".parse().unwrap()],
        );
        let addressing = Addressing {
            source,
            target: Target::Group,
            vlan: 0,
            checksum,
        };
        let mut frame = vec![0; MAX_FRAME_LEN];
        let length = settings.advert(90).emit(&addressing, &mut frame).unwrap();
        frame.truncate(length);
        frame
    }

    fn expect(checksum: ChecksumRule) -> Expect<'static> {
        Expect {
            version: Version::V3,
            checksum,
            peers: &[],
        }
    }

    fn after(count: u64, ours: ChecksumRule, frame: &[u8], taken: bool) -> Option<OtherSum> {
        (0..count).fold(None, |before, n| {
            OtherSum::look(before, at(100 * n), frame, expect(ours), taken)
        })
    }

    #[test]
    fn the_other_way_again_and_again_is_told() {
        use ChecksumRule::{Any, PseudoHeader, Rfc9568};
        for (ours, its, taken, refuses) in [
            (Rfc9568, PseudoHeader, false, Refuses::We),
            (PseudoHeader, Rfc9568, false, Refuses::We),
            (Any, PseudoHeader, true, Refuses::It),
        ] {
            let frame = advert(its);
            let seen = after(4, ours, &frame, taken).unwrap();
            assert_eq!(seen.refuses, refuses);
            assert!(seen.stands(at(300)) && seen.stands(at(699)));
            assert!(!seen.stands(at(700)), "it has ceased");
            assert!(!after(3, ours, &frame, taken).unwrap().stands(at(200)));
        }
    }

    #[test]
    fn what_is_wrong_either_way_or_made_as_ours_is_nothing() {
        use ChecksumRule::{Any, PseudoHeader, Rfc9568};
        let mut noise = advert(Rfc9568);
        noise[14 + 20 + 6] ^= 0x55;
        assert_eq!(after(9, Rfc9568, &noise, false), None);
        assert_eq!(after(9, Any, &advert(Rfc9568), true), None);
        assert_eq!(after(9, Rfc9568, &advert(PseudoHeader), true), None);
    }
}
