//! A server that speaks Stripe's language, as a process of its own: it outlives those it serves.

fn main() -> std::io::Result<()> {
    quittance_chassis::run::install_tls();
    tokio::runtime::Runtime::new()?.block_on(fake_stripe::main())
}
