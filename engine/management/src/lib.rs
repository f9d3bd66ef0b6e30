//! The management core: observes, steps the HA node, carries out its actions.
