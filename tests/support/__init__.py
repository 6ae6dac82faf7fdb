"""What several tests share: files, servers, engines and applications to test against."""
