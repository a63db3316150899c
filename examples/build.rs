//! Makes typed topics of `proto/market.proto`, for the example `protobuf`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    amop_build::compile(&["proto/market.proto"], &["proto"])?;
    Ok(())
}
