# Everything of load balancing that the provider has. `change` is what the second apply gives.
terraform {
  required_providers {
    openstack = {
      source = "terraform-provider-openstack/openstack"
    }
  }
}

variable "subnet_id" {
  type = string
}

variable "project_id" {
  type = string
}

variable "change" {
  type    = number
  default = 0
}

provider "openstack" {}

provider "openstack" {
  alias = "admin"
  cloud = "lbclient-admin"
}

resource "openstack_lb_flavorprofile_v2" "profile" {
  provider      = openstack.admin
  name          = "terraform"
  provider_name = "octavia"
  flavor_data   = jsonencode({ loadbalancer_topology = "SINGLE" })
}

resource "openstack_lb_flavor_v2" "flavor" {
  provider          = openstack.admin
  name              = "terraform"
  description       = "Change ${var.change}"
  flavor_profile_id = openstack_lb_flavorprofile_v2.profile.id
  enabled           = true
}

resource "openstack_lb_quota_v2" "quota" {
  provider       = openstack.admin
  project_id     = var.project_id
  loadbalancer   = 20 + var.change
  listener       = 20
  member         = 20
  pool           = 20
  health_monitor = 20
  l7_policy      = 20
  l7_rule        = 20
}

resource "openstack_lb_loadbalancer_v2" "shop" {
  name          = "shop"
  description   = "Change ${var.change}"
  vip_subnet_id = var.subnet_id
  flavor_id     = openstack_lb_flavor_v2.flavor.id
  tags          = ["a", "b${var.change}"]
}

resource "openstack_lb_listener_v2" "http" {
  name                = "http"
  loadbalancer_id     = openstack_lb_loadbalancer_v2.shop.id
  protocol            = "HTTP"
  protocol_port       = 8080
  connection_limit    = 100 + var.change
  timeout_client_data = 60000
  insert_headers      = { X-Forwarded-For = "true" }
  allowed_cidrs       = ["127.0.0.0/8"]
  default_pool_id     = openstack_lb_pool_v2.web.id
}

resource "openstack_lb_pool_v2" "web" {
  name            = "web"
  loadbalancer_id = openstack_lb_loadbalancer_v2.shop.id
  protocol        = "HTTP"
  lb_method       = var.change == 0 ? "ROUND_ROBIN" : "LEAST_CONNECTIONS"
  persistence {
    type        = "APP_COOKIE"
    cookie_name = "SESSION"
  }
}

resource "openstack_lb_member_v2" "one" {
  pool_id       = openstack_lb_pool_v2.web.id
  address       = "127.0.0.1"
  protocol_port = 9001
  weight        = 1 + var.change
}

resource "openstack_lb_monitor_v2" "health" {
  pool_id        = openstack_lb_pool_v2.web.id
  type           = "HTTP"
  url_path       = "/health"
  http_method    = "GET"
  expected_codes = "200"
  delay          = 5 + var.change
  timeout        = 3
  max_retries    = 2
}

resource "openstack_lb_pool_v2" "api" {
  name            = "api"
  loadbalancer_id = openstack_lb_loadbalancer_v2.shop.id
  protocol        = "HTTP"
  lb_method       = "SOURCE_IP"
}

resource "openstack_lb_members_v2" "api" {
  pool_id = openstack_lb_pool_v2.api.id
  member {
    address       = "127.0.0.1"
    protocol_port = 9002
    weight        = 1 + var.change
  }
  member {
    address       = "127.0.0.1"
    protocol_port = 9003
  }
}

resource "openstack_lb_l7policy_v2" "api" {
  name             = "api"
  listener_id      = openstack_lb_listener_v2.http.id
  action           = "REDIRECT_TO_POOL"
  redirect_pool_id = openstack_lb_pool_v2.api.id
  position         = 1
}

resource "openstack_lb_l7rule_v2" "api" {
  l7policy_id  = openstack_lb_l7policy_v2.api.id
  type         = "PATH"
  compare_type = "STARTS_WITH"
  value        = "/api${var.change}"
}
