//! Plans and reserves hugepages, and says how to undo it.
