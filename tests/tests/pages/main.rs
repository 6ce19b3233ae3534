//! The pages of the dashboard without a script: each as each role that it is for.

mod barriers;
mod books;
mod bounties;
mod placements;
