optimizer_profile = "cache-only"
ssh_user = "deploy"
