"""What every gRPC server and client of Tally shares."""
