//! One test suite per plugin kind.
