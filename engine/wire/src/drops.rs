//! A closed list of causes for which frames are dropped, and a counter for each.

/// Defines an enum of causes (its text is what the log says), their stable names for metrics, and
/// the counters. One macro, so that a cause cannot be without a name or a counter. A crate that uses
/// it depends on `thiserror`.
#[macro_export]
macro_rules! drop_causes {
    (
        $(#[$enum_doc:meta])*
        pub enum $Cause:ident counted by $Counters:ident {
            $( $(#[$doc:meta])* $Variant:ident = $name:literal: $text:literal, )+
        }
    ) => {
        $(#[$enum_doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
        pub enum $Cause {
            $( $(#[$doc])* #[error($text)] $Variant, )+
        }

        impl $Cause {
            /// Every cause, in the order of [`Self::index`].
            pub const ALL: &'static [$Cause] = &[$( $Cause::$Variant ),+];
            /// How many causes there are.
            pub const COUNT: usize = $Cause::ALL.len();

            /// 0 to [`Self::COUNT`] - 1.
            #[must_use]
            pub const fn index(self) -> usize {
                self as usize
            }

            /// The stable name, for logs, metrics and JSON.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $( $Cause::$Variant => $name, )+
                }
            }
        }

        /// How many frames were dropped, by cause.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $Counters {
            counts: [u64; $Cause::COUNT],
        }

        impl Default for $Counters {
            fn default() -> Self {
                $Counters { counts: [0; $Cause::COUNT] }
            }
        }

        impl $Counters {
            /// Counts one frame.
            pub fn count(&mut self, cause: $Cause) {
                if let Some(count) = self.counts.get_mut(cause.index()) {
                    *count = count.saturating_add(1);
                }
            }

            /// Frames dropped for this cause.
            #[must_use]
            pub fn get(&self, cause: $Cause) -> u64 {
                self.counts.get(cause.index()).copied().unwrap_or(0)
            }

            /// Every cause and its count, in a fixed order, zeros included.
            pub fn iter(&self) -> impl Iterator<Item = ($Cause, u64)> + '_ {
                $Cause::ALL.iter().copied().zip(self.counts)
            }

            /// Frames dropped for any cause.
            #[must_use]
            pub fn total(&self) -> u64 {
                self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
            }
        }
    };
}

#[cfg(test)]
mod tests {
    drop_causes! {
        /// For the test.
        pub enum Cause counted by Counters {
            /// One.
            One = "one": "it is one",
            /// Two.
            Two = "two": "it is two",
        }
    }

    #[test]
    fn each_cause_has_its_own_count_and_name() {
        let mut counters = Counters::default();
        counters.count(Cause::Two);
        counters.count(Cause::Two);
        assert_eq!(
            counters.iter().collect::<Vec<_>>(),
            [(Cause::One, 0), (Cause::Two, 2)]
        );
        assert_eq!((counters.get(Cause::Two), counters.total()), (2, 2));
        assert_eq!(Cause::One.name(), "one");
        assert_eq!(Cause::Two.to_string(), "it is two");
    }
}
