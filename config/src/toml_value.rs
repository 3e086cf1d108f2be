//! TOML values as JSON, in which the other modules carry them.

use serde_json::Value;
use toml::de::DeValue;

/// Parses one TOML value, such as `10`, `true` or `[1, 2]`.
pub(crate) fn parse_value(text: &str) -> Option<Value> {
    DeValue::parse(text).ok().map(|value| to_json(value.get_ref()))
}

/// Converts a TOML value. Dates, and numbers that JSON lacks, become text.
pub(crate) fn to_json(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Boolean(value) => (*value).into(),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| number.to_string().into(), Value::from),
        DeValue::Float(number) => {
            let value = number.as_str().parse().ok().and_then(serde_json::Number::from_f64);
            value.map_or_else(|| number.to_string().into(), Value::Number)
        }
        DeValue::Datetime(time) => time.to_string().into(),
        DeValue::Array(items) => items.iter().map(|item| to_json(item.get_ref())).collect(),
        DeValue::Table(table) => {
            table.iter().map(|(name, value)| (name.get_ref().to_string(), to_json(value.get_ref()))).collect()
        }
    }
}
