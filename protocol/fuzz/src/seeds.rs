//! Writes valid encodings to `corpus/` as seeds of the fuzzers: `cargo run --bin seeds`.

fn main() -> std::io::Result<()> {
    for (target, seed) in media_protocol_fuzz::seeds() {
        let folder = std::path::Path::new("corpus").join(target);
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join(blake3::hash(&seed).to_string()), seed)?;
    }
    Ok(())
}
