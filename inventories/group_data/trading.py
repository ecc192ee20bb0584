optimizer_profile = "hft"
ssh_user = "deploy"
