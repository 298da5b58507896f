terraform {
  required_providers {
    openstack = {
      source = "terraform-provider-openstack/openstack"
    }
  }
}

provider "openstack" {} # logs in with OS_CLOUD

data "openstack_networking_subnet_v2" "private" {
  name = "private-subnet"
}

resource "openstack_lb_loadbalancer_v2" "shop" {
  name          = "shop"
  vip_subnet_id = data.openstack_networking_subnet_v2.private.id
}

resource "openstack_lb_listener_v2" "http" {
  name            = "http"
  loadbalancer_id = openstack_lb_loadbalancer_v2.shop.id
  protocol        = "HTTP"
  protocol_port   = 8080
}
