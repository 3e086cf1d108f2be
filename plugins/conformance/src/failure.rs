use media_plugin_sdk::PluginError;

/// Broken rule of the contract. Displayed as one line for the plugin's author.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{rule}: {observed}")]
pub struct Failure {
    /// The rule, as a statement that holds for a correct plugin.
    pub rule: &'static str,
    /// The call that was made and its result.
    pub observed: String,
}

impl Failure {
    pub(crate) fn new(rule: &'static str, observed: impl Into<String>) -> Self {
        Self { rule, observed: observed.into() }
    }
}

/// Names the rule that an error of the plugin breaks.
pub(crate) trait Breaks<T> {
    fn breaks(self, rule: &'static str) -> Result<T, Failure>;
}

impl<T> Breaks<T> for Result<T, PluginError> {
    fn breaks(self, rule: &'static str) -> Result<T, Failure> {
        self.map_err(|e| Failure::new(rule, format!("it returned an error: {e}")))
    }
}

/// Fails with `observed` unless the rule holds.
pub(crate) fn require(holds: bool, rule: &'static str, observed: impl Into<String>) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(Failure::new(rule, observed)) }
}
