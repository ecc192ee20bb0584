optimizer_profile = "production"
ssh_user = "deploy"
