//! Twinline's configuration: schema, units and validation.
