//! Cost of the transport on loopback: connecting, one request, and the throughput of one stream compared with
//! a bare iroh stream.

use std::{hint::black_box, sync::Arc};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use iroh::{
    Endpoint as Iroh, EndpointAddr,
    endpoint::{Connection as IrohConnection, presets},
};
use media_plugin_sdk::transport::{
    Admission, Admit, BindOptions, Connection, Endpoint, Incoming, RecvStream, Result, Transport,
    TransportError, refuse_all,
};
use tokio::runtime::Runtime;
use transport_fastn::FastnTransport;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const BODY: usize = 16 * 1024 * 1024;
const PIECE: usize = 64 * 1024;
const ALPN: &[u8] = b"bench";

async fn node(seed: u8, admit: Admit) -> Result<Arc<dyn Endpoint>> {
    let bind = BindOptions {
        secret_key: [seed; 32],
        options: r#"{"bind":["127.0.0.1:0"],"relay":"off","mdns":false}"#.into(),
        name: "bench".into(),
        version: "1".into(),
        protocols: vec!["bench".into()],
        admit,
    };
    FastnTransport.bind(&bind).await
}

/// Answers with the number of bytes that the request's data names.
async fn answer(mut incoming: Incoming, body: Bytes) -> Result<()> {
    let size = incoming.data.parse().unwrap_or(0);
    incoming.stream.send.send(body.slice(..size)).await?;
    incoming.stream.send.finish()
}

async fn serve(server: Arc<dyn Endpoint>) {
    let body = Bytes::from(vec![7; BODY]);
    while let Some(connection) = server.accept().await {
        let body = body.clone();
        tokio::spawn(async move {
            while let Some(incoming) = connection.accept().await {
                tokio::spawn(answer(incoming, body.clone()));
            }
        });
    }
}

async fn drain(recv: &mut dyn RecvStream) -> Result<usize> {
    let mut size = 0;
    while let Some(piece) = recv.recv(PIECE).await? {
        size += black_box(piece).len();
    }
    Ok(size)
}

async fn request(connection: &dyn Connection, size: usize) -> Result<()> {
    let mut stream = connection.open("bench", &size.to_string()).await?;
    stream.send.finish()?;
    match drain(stream.recv.as_mut()).await? {
        received if received == size => Ok(()),
        received => Err(TransportError::Closed(format!("received {received} of {size} bytes"))),
    }
}

async fn bare() -> std::result::Result<Iroh, Failure> {
    let builder = Iroh::builder(presets::Minimal).clear_ip_transports().bind_addr("127.0.0.1:0")?;
    Ok(builder.alpns(vec![ALPN.to_vec()]).bind().await?)
}

async fn bare_connection() -> std::result::Result<(Iroh, IrohConnection), Failure> {
    let server = bare().await?;
    let client = bare().await?;
    let target = EndpointAddr::new(server.id()).with_ip_addr(server.bound_sockets()[0]);
    tokio::spawn(async move {
        let connection = server.accept().await.ok_or("closed")?.await?;
        let body = Bytes::from(vec![7; BODY]);
        while let Ok((mut send, mut recv)) = connection.accept_bi().await {
            recv.read_to_end(PIECE).await?;
            send.write_chunk(body.clone()).await?;
            send.finish()?;
        }
        Ok::<_, Failure>(())
    });
    let connection = client.connect(target, ALPN).await?;
    Ok((client, connection))
}

async fn bare_request(connection: &IrohConnection) -> std::result::Result<(), Failure> {
    let (mut send, mut recv) = connection.open_bi().await?;
    send.write_all(b"go").await?;
    send.finish()?;
    while let Some(piece) = recv.read_chunk(PIECE).await? {
        black_box(piece);
    }
    Ok(())
}

fn measure(criterion: &mut Criterion) -> std::result::Result<(), Failure> {
    let runtime = Runtime::new()?;
    let server = runtime.block_on(node(1, Arc::new(|_, _| Ok(Admission::default()))))?;
    let client = runtime.block_on(node(2, refuse_all()))?;
    let address = server.address();
    runtime.spawn(serve(server));

    let mut error = None;
    criterion.bench_function("connect and shake hands", |bencher| {
        bencher.iter(|| match runtime.block_on(client.connect(&address, None)) {
            Ok(connection) => connection.close("measured"),
            Err(e) => error = Some(e),
        });
    });
    let connection = runtime.block_on(client.connect(&address, None))?;
    criterion.bench_function("a request of 64 bytes", |bencher| {
        bencher.iter(|| error = error.take().or(runtime.block_on(request(&*connection, 64)).err()));
    });
    let (_bare, bare_connection) = runtime.block_on(bare_connection())?;
    let mut bare_error = None;
    let mut group = criterion.benchmark_group("one stream");
    group.throughput(Throughput::Bytes(BODY as u64)).sample_size(20);
    group.bench_function("fastn", |bencher| {
        bencher.iter(|| error = error.take().or(runtime.block_on(request(&*connection, BODY)).err()));
    });
    group.bench_function("bare iroh", |bencher| {
        bencher.iter(|| {
            bare_error = bare_error.take().or(runtime.block_on(bare_request(&bare_connection)).err());
        });
    });
    group.finish();
    match (error, bare_error) {
        (Some(e), _) => Err(e.into()),
        (_, Some(e)) => Err(e),
        _ => Ok(()),
    }
}

fn loopback(criterion: &mut Criterion) {
    if let Err(e) = measure(criterion) {
        eprintln!("cannot measure the transport: {e}");
        std::process::exit(1);
    }
}

criterion_group!(benches, loopback);
criterion_main!(benches);
