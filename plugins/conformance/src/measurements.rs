use std::collections::BTreeMap;

/// Measured values by name. The name ends with the unit, as in `encode_p50_ns`.
pub type Measurements = BTreeMap<String, u64>;
