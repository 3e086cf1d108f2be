//! The helper by which benchmarks write their tables into `node/docs/`.

use std::fs;

#[path = "../../benches/common/page.rs"]
#[allow(dead_code, reason = "benchmarks use the rest")]
mod page;

const PAGE: &str = "\
# Title

<!-- bench:one -->
| old |
<!-- end -->
text
<!-- bench:two -->
<!-- end -->
";

/// Writes a table into a page. Returns the new page, or the error.
fn written(text: &str, name: &str, table: &str) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("page.md");
    fs::write(&file, text).unwrap();
    page::write_to(&file, name, table).map_err(|error| error.to_string())?;
    Ok(fs::read_to_string(&file).unwrap())
}

#[test]
fn a_table_replaces_the_text_between_its_marks_alone() {
    assert_eq!(written(PAGE, "one", "| new |\n| 2 |\n").unwrap(), PAGE.replace("| old |", "| new |\n| 2 |"));
    let two = written(PAGE, "two", "| x |").unwrap();
    assert_eq!(two, PAGE.replace("bench:two -->\n", "bench:two -->\n| x |\n"));
    assert_eq!(written(&two, "two", "| x |").unwrap(), two, "the same again changes nothing");
}

#[test]
fn a_page_without_the_marks_is_an_error_that_names_them() {
    let error = written(PAGE, "three", "").unwrap_err();
    assert!(error.ends_with("page.md: no mark bench:three"), "{error}");
    let open = PAGE.replacen("<!-- end -->\n", "", 1);
    let error = written(&open, "one", "").unwrap_err();
    assert!(error.ends_with("no end of bench:one before the next table"), "{error}");
    let error = written("<!-- bench:one -->\n", "one", "").unwrap_err();
    assert!(error.ends_with("no end of bench:one"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let error = page::write_to(&folder.path().join("absent.md"), "one", "").unwrap_err();
    assert!(error.to_string().contains("absent.md"), "{error}");
}

/// Every mark in the documentation is of a benchmark that writes it.
#[test]
fn every_mark_of_the_pages_belongs_to_a_benchmark() {
    const WRITTEN: [(&str, &[&str]); 3] = [
        ("benchmarks.md", &["catalog", "crowd", "instructions", "peers", "peers-client"]),
        ("networks.md", &["networks"]),
        ("rate-choice.md", &["rate_choice"]),
    ];
    for (page, names) in WRITTEN {
        let text = fs::read_to_string(format!("{}/docs/{page}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let marks = text.lines().filter_map(|line| line.strip_prefix("<!-- bench:")?.strip_suffix(" -->"));
        let mut marks: Vec<_> = marks.collect();
        marks.sort_unstable();
        assert_eq!(marks, names, "{page}");
    }
}
